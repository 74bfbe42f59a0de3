"""Names, shapes and outputs of the layers of functional and subclassed networks."""

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from google.protobuf import text_format
from tiny_detector import tiny_batch, tiny_config, tiny_parts

from odtk.detectors import activations
from odtk.errors import OdtkError
from odtk.protos import pipeline_pb2


@pytest.fixture(scope="module")
def ssd():
    return tiny_parts(tiny_config())[1]


@pytest.fixture(scope="module")
def batch(ssd):
    features, _ = tiny_batch(ssd)
    return features["image"], features["true_image_shape"]


@pytest.fixture(scope="module")
def layers(ssd, batch):
    return {layer.name: layer for layer in activations.list_layers(ssd, *batch)}


def test_layers_of_functional_and_subclassed_parts_have_paths_shapes_and_parameters(ssd, batch, layers):
    height, width = batch[0].shape[1:3]
    assert layers["backbone/stage_1"].shapes == ((2, height // 4, width // 4, 4),)  # functional
    assert layers["backbone/stage_1"].kind.startswith("Conv2D")
    assert layers["backbone/stage_1"].parameters == 3 * 9 * 4 + 4
    assert layers["pyramid/smoothing_0/conv"].parameters > 0  # subclassed, in a list of its parent
    # A head that the levels share is called once for each.
    towers = layers["heads/class_tower/conv_0"]
    assert [shape[1:3] for shape in towers.shapes] == [shape[1:3] for shape in layers["pyramid"].shapes]
    assert towers.outputs[-1] == f"heads/class_tower/conv_0:{len(towers.shapes) - 1}"
    assert layers["pyramid"].is_group
    assert not towers.is_group
    assert sum(layer.parameters for layer in layers.values() if not layer.is_group) == ssd.network.count_params()


def test_outputs_are_what_the_network_itself_uses(ssd, batch):
    images, shapes = batch
    preprocessed = ssd.preprocess(images, shapes)
    expected = ssd.predict(preprocessed, shapes)
    found = activations.run_with_outputs(ssd, preprocessed, shapes, ["pyramid:0", "backbone/stage_1"])
    np.testing.assert_array_equal(found.outputs["pyramid:0"], expected["feature_maps"][0])
    np.testing.assert_array_equal(found.predictions["class_logits"], expected["class_logits"])
    direct = ssd.network.backbone.layers[1](preprocessed)
    np.testing.assert_allclose(found.outputs["backbone/stage_1"], direct, atol=1e-6)
    assert all("call" not in vars(layer) for layer in activations.layers_of(ssd.network).values())


def test_predictions_are_differentiable_with_respect_to_outputs(ssd, batch):
    images, shapes = batch
    with tf.GradientTape() as tape:
        tape.watch(images)
        found = activations.run_with_outputs(ssd, ssd.preprocess(images, shapes), shapes, ["pyramid:0"])
        finest = tf.reduce_sum(found.predictions["class_logits"][:, :10])
    gradient = tape.gradient(finest, found.outputs["pyramid:0"])
    assert float(tf.reduce_max(tf.abs(gradient))) > 0


def test_the_compiled_function_gives_the_same(ssd, batch):
    images, shapes = batch
    eager = activations.run_with_outputs(ssd, ssd.preprocess(images, shapes), shapes, ["pyramid:1"])
    found = activations.compiled(ssd, ["pyramid:1"])(images, shapes)
    np.testing.assert_allclose(found.outputs["pyramid:1"], eager.outputs["pyramid:1"], atol=1e-5)
    np.testing.assert_allclose(found.predictions["class_logits"], eager.predictions["class_logits"], atol=1e-5)


def test_a_detector_of_another_kind_has_its_layers_by_their_attributes():
    config = text_format.Parse(fake_detector.CONFIG, pipeline_pb2.TrainEvalPipelineConfig())
    detector = fake_detector.FAMILY.build(config.model)
    detector.ensure_built()
    found = activations.list_layers(detector, tf.zeros([1, 48, 32, 3]), tf.constant([[48, 32, 3]]))
    assert [(layer.name, layer.shapes) for layer in found] == [
        ("stem", ((1, 6, 4, 4),)), ("heat", ((1, 6, 4, 2),)), ("size", ((1, 6, 4, 2),)),
    ]  # fmt: skip


def test_layers_are_chosen_by_name_output_or_pattern(layers):
    every = [output for layer in layers.values() for output in layer.outputs]
    assert activations.find_outputs(["pyramid:1", "pyramid:1"], every) == ["pyramid:1"]
    assert activations.find_outputs(["heads/class_tower/conv_0"], every) == layers["heads/class_tower/conv_0"].outputs
    assert len(activations.find_outputs(["backbone/*"], every)) == 4
    with pytest.raises(OdtkError, match=r"no layer heads/class_towr/conv_0. Similar ones are heads/class_tower/conv_0"):
        activations.find_outputs(["heads/class_towr/conv_0"], every)


def test_after_an_error_the_calls_are_those_before_it():
    class Broken(tf_keras.layers.Layer):
        def call(self, x):
            raise ValueError("broken")

    class Network(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = tf_keras.layers.Dense(2), Broken()

        def call(self, x):
            return self.second(self.first(x))

    network = Network()
    with activations.watched(network) as calls:
        with pytest.raises(ValueError, match="broken"):
            network(tf.zeros([1, 3]))
        assert [call.name for call in calls] == ["first"]
