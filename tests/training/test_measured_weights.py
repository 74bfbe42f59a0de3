"""Averages in the weights' place, exactly, and back however an evaluation ends."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.modeling.optimization import ExponentialMovingAverage

from odtk.training.callbacks.checkpoints import StepCheckpoints
from odtk.training.measured_weights import MeasuredWeights

# Which official's own swap would round.
TRAINED, AVERAGE = np.float32([1 / 3, 1e-9, 7.0]), np.float32([1e6, 0.1, -2 / 3])


@pytest.fixture
def model():
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False, input_shape=(3,))])
    model.set_weights([TRAINED[:, None]])
    return model


@pytest.fixture
def weights(model):
    optimizer = ExponentialMovingAverage(tf_keras.optimizers.legacy.SGD())
    optimizer.shadow_copy(model)
    optimizer.get_slot(model.trainable_variables[0], "average").assign(AVERAGE[:, None])
    return MeasuredWeights(model, optimizer, averaged=True)


def values(model):
    return model.get_weights()[0][:, 0]


def test_averages_are_in_place_and_the_trained_weights_come_back_bit_for_bit(model, weights):
    with weights.in_place():
        np.testing.assert_array_equal(values(model), AVERAGE)
        with weights.in_place():
            np.testing.assert_array_equal(values(model), AVERAGE, err_msg="the loop's block and the evaluator's")
        np.testing.assert_array_equal(values(model), AVERAGE)
    np.testing.assert_array_equal(values(model), TRAINED)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_they_come_back_from_an_evaluation_that_fails(model, weights, error):
    with pytest.raises(error), weights.in_place():
        raise error
    np.testing.assert_array_equal(values(model), TRAINED)


def test_an_interruption_while_they_come_back_leaves_no_half(model, weights, monkeypatch):
    interrupted = []
    assign = MeasuredWeights._assign_trained

    def once(self):
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        assign(self)

    monkeypatch.setattr(MeasuredWeights, "_assign_trained", once)
    with pytest.raises(KeyboardInterrupt), weights.in_place():
        pass
    np.testing.assert_array_equal(values(model), TRAINED)


def test_a_checkpoint_saved_meanwhile_holds_the_trained_weights(model, weights, tmp_path):
    step = tf.Variable(5, dtype=tf.int64)
    manager = StepCheckpoints(
        tf.train.Checkpoint(model=model), str(tmp_path), max_to_keep=1, step_counter=step, checkpoint_interval=1
    )
    manager.trained_weights = weights.put_aside
    with weights.in_place():
        path = manager.save(checkpoint_number=5)
        np.testing.assert_array_equal(values(model), AVERAGE, err_msg="the evaluation goes on")
    name = "model/layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    np.testing.assert_array_equal(tf.train.load_checkpoint(path).get_tensor(name)[:, 0], TRAINED)


def test_without_averages_the_weights_are_measured_as_they_are(model):
    with MeasuredWeights(model, tf_keras.optimizers.legacy.SGD(), averaged=False).in_place():
        np.testing.assert_array_equal(values(model), TRAINED)
