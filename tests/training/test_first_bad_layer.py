"""Where numbers stop being finite, in the order in which a step computes them."""

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from fake_detector import SIZE
from google.protobuf import text_format

from odtk.protos import pipeline_pb2
from odtk.training.first_bad_layer import diagnose
from odtk.training.task import DetectionTask

FINE = "All weights, outputs of layers, losses and gradients are finite."


@pytest.fixture(scope="module")
def config():
    return text_format.Parse(fake_detector.CONFIG, pipeline_pb2.TrainEvalPipelineConfig())


@pytest.fixture
def detector(config):
    detector = fake_detector.FAMILY.build(config.model)
    detector.ensure_built()
    return detector


def found(config, detector, image=100.0):
    features = {"image": tf.fill([2, 48, 32, 3], image), "true_image_shape": tf.constant([[48, 32, 3]] * 2)}
    groundtruth = {
        "boxes": tf.constant([[[0.1, 0.1, 0.5, 0.6]]] * 2),
        "classes": tf.constant([[0], [1]]),
        "num_boxes": tf.constant([1, 1]),
        "group_of": tf.constant([[False], [False]]),
    }
    return diagnose(DetectionTask(config), detector, features, groundtruth)


def replace_size_loss(detector, loss):
    """`loss`: of the predictions."""
    loss_sums = detector.loss_sums

    def replaced(predictions, *others):
        found = loss_sums(predictions, *others)
        return found._replace(sums=found.sums | {SIZE: loss(predictions)})

    detector.loss_sums = replaced


def test_a_valid_step_has_nothing_to_find_and_leaves_no_trace(config, detector):
    before = [variable.numpy() for variable in detector.variables]
    diagnosis = found(config, detector)
    assert (diagnosis.text, diagnosis.is_finite) == (FINE, True)
    assert all(np.isfinite(value) for value in diagnosis.losses.values())
    for variable, value in zip(detector.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert not any("call" in vars(layer) for layer in detector.network.layers)


def test_weights_come_before_all_that_they_spoil(config, detector):
    detector.network.heat.kernel.assign(detector.network.heat.kernel * np.nan)
    diagnosis = found(config, detector)
    assert diagnosis.text == "Weights are not finite: model/_center/heads/heat/kernel."
    assert not diagnosis.is_finite


def test_the_batch_itself_is_looked_at(config, detector):
    assert found(config, detector, image=np.nan).text == "The batch itself is not finite: image."


def test_the_first_of_the_layers_is_named_not_those_after_it(config, detector):
    stem = detector.network.stem
    stem.kernel.assign(tf.fill(stem.kernel.shape, 1e38))
    text = found(config, detector, image=25500.0).text
    assert text.startswith(
        f"The first layer whose output is not finite is {stem.name} (Conv2D), whose weights are up to"
    )
    assert text.endswith("192 of 192 values.")  # [2, 6, 4, 4]


def test_a_loss_that_is_not_finite_though_all_layers_are(config, detector):
    replace_size_loss(detector, lambda predictions: tf.constant(np.inf))
    assert found(config, detector).text == f"The outputs of all layers are finite, but not {SIZE}."


def test_of_gradients_the_layer_nearest_to_the_loss_is_named(config, detector):
    # Of the root's infinite slope at 0 and the slope 0 before it the product is NaN.
    replace_size_loss(detector, lambda predictions: tf.sqrt(tf.reduce_sum(0 * predictions["cells"]["size"])))
    text = found(config, detector).text
    # Of three layers with two weights each, the heat's are fine.
    assert "All losses are finite, but not the gradients of 4 of 6 weights" in text
    assert text.endswith(f"that of {detector.network.size.name} (Conv2D) is the first.")
