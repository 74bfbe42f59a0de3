import functools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from odtk.training import device_inputs
from odtk.training.trainer import DetectionTrainer

BATCHES = 5


def build_inputs(params=None, input_context=None):
    def batch(number):
        return {"image": tf.fill([2, 3], tf.cast(number, tf.float32)), "position": number}, {
            "n": tf.cast(number, tf.int32)
        }

    return tf.data.Dataset.range(BATCHES).map(batch)


def values(dataset):
    return [(features["image"].numpy(), int(features["position"]), int(n["n"])) for features, n in dataset]


def test_batches_on_a_device_are_the_same_in_the_same_order():
    ahead = device_inputs.to_device(build_inputs(), "CPU:0")
    for (image, *numbers), (other, *others) in zip(values(ahead), values(build_inputs()), strict=True):
        np.testing.assert_array_equal(image, other)
        assert numbers == others


def test_an_error_of_the_pipeline_arrives_at_its_place():
    def check(features, groundtruth):
        return {**features, "image": tf.debugging.check_numerics(features["image"] / features["left"], "")}, groundtruth

    def with_left(features, groundtruth):
        return {**features, "left": tf.cast(tf.less(features["position"], 3), tf.float32)}, groundtruth

    stream = iter(device_inputs.to_device(build_inputs().map(with_left).map(check), "CPU:0"))
    for _ in range(3):
        next(stream)
    with pytest.raises(tf.errors.InvalidArgumentError):
        next(stream)


@pytest.mark.parametrize("gpus", [0, 1])
def test_only_a_single_gpu_needs_it(monkeypatch, gpus):
    copied = []
    monkeypatch.setattr(device_inputs, "to_device", lambda dataset, device: copied.append(device) or dataset)
    monkeypatch.setattr(device_inputs.tf.config, "list_logical_devices", lambda kind: [kind] * gpus)
    dataset = device_inputs.distribute(tf.distribute.get_strategy(), build_inputs)
    assert len(values(dataset)) == BATCHES
    # A strategy of its own has its replicas' devices filled by TensorFlow.
    device_inputs.distribute(tf.distribute.OneDeviceStrategy("CPU:0"), build_inputs, None)
    assert copied == ["GPU:0"] * gpus


def test_data_that_start_again_are_built_for_the_strategy_too():
    strategy, seen = tf.distribute.OneDeviceStrategy("CPU:0"), []

    def build_inputs(input_context=None):
        seen.append(tf.distribute.get_strategy())
        return tf.data.Dataset.range(1)

    build_dataset = functools.partial(device_inputs.distribute, strategy, build_inputs)
    trainer = SimpleNamespace(task=SimpleNamespace(restart_inputs=lambda: None), _build_dataset=build_dataset)
    DetectionTrainer.restart_data(trainer)
    assert seen == [strategy]
    assert len(list(trainer.train_dataset)) == 1
