"""Multiply-adds against TensorFlow's profiler, memory by hand, and the layer at which a size does not fit."""

import math

import pytest
import tensorflow as tf
from golden_cases import variant_case

from odtk.detectors.build import build_detector
from odtk.detectors.network_costs import measure_costs, multiply_adds, peak_bytes


@pytest.fixture(scope="module")
def detector():
    return build_detector(variant_case("base").config)


@pytest.fixture(scope="module")
def costs(detector):
    return measure_costs(detector, detector.image_size)


def test_multiply_adds_are_half_of_the_profilers_floating_point_operations(detector, costs):
    @tf.function(autograph=False)
    def predict(images):
        return detector.network(images, training=False)

    graph = predict.get_concrete_function(tf.TensorSpec([1, *detector.image_size, 3])).graph
    profiler = tf.compat.v1.profiler
    found = profiler.profile(graph, cmd="op", options=(
        profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output().build()
    ))  # fmt: skip
    convolutions = next(node.float_ops for node in _kinds_of_operations(found) if node.name == "Conv2D")
    assert convolutions == 2 * costs.multiply_adds


def test_a_transposed_convolution_costs_what_the_convolution_does_that_undoes_it():
    @tf.function(autograph=False)
    def larger(images, kernel):
        return tf.nn.conv2d_transpose(images, kernel, [1, 16, 12, 5], 2)

    @tf.function(autograph=False)
    def smaller(images, kernel):
        return tf.nn.conv2d(images, kernel, 2, "SAME")

    kernel = tf.TensorSpec([4, 4, 5, 3])
    graphs = [
        larger.get_concrete_function(tf.TensorSpec([1, 8, 6, 3]), kernel).graph,
        smaller.get_concrete_function(tf.TensorSpec([1, 16, 12, 5]), kernel).graph,
    ]
    assert [sum(map(multiply_adds, graph.get_operations())) for graph in graphs] == [8 * 6 * 3 * 4 * 4 * 5] * 2


def _kinds_of_operations(node):
    """The profiler's answer is a chain."""
    while node.children:
        (node,) = node.children
        yield node


def test_layers_add_up_to_the_network(detector, costs):
    layers = {cost.info.name: cost for cost in costs.layers}
    outermost = [layers["backbone"], layers["pyramid"], layers["heads"]]
    assert sum(cost.multiply_adds for cost in outermost) == costs.multiply_adds
    inner = [cost for cost in costs.layers if not cost.info.is_group]
    assert sum(cost.multiply_adds for cost in inner) == costs.multiply_adds
    assert sum(cost.info.parameters for cost in inner) == costs.parameters
    assert costs.parameters == sum(math.prod(shape) for shape in variant_case("base").shapes.values()) - _others()
    # A layer that all levels share is counted once for each.
    tower = layers["heads/class_tower/conv_0"]
    assert tower.multiply_adds == sum(
        9 * 64 * 24 * rows * columns for _, rows, columns, _ in tower.info.shapes
    )  # fmt: skip


def _others() -> int:
    """Values that TFOD's checkpoint has beside the weights: none of the model's."""
    return sum(math.prod(shape) for key, shape in variant_case("base").shapes.items() if not key.startswith("model/"))


def test_a_training_step_keeps_more_than_a_prediction(costs):
    assert costs.training_bytes > 4 * costs.inference_bytes
    largest = max(cost.activation_bytes for cost in costs.layers if not cost.info.is_group)
    assert costs.inference_bytes >= largest


def test_the_peak_of_a_graph_is_what_is_needed_at_once():
    @tf.function(autograph=False)
    def chain(x):  # 400 bytes each
        first = tf.sin(x)
        second = tf.sin(first)  # both at once
        third = tf.reshape(tf.nn.relu(second), [10, 10])  # in place, and no memory of its own
        return tf.sin(third)

    @tf.function(autograph=False)
    def kept(x):
        first = tf.sin(x)
        second = tf.sin(first)
        third = tf.sin(second)
        return third + first + second

    spec = tf.TensorSpec([100])
    assert peak_bytes(chain.get_concrete_function(spec).graph) == 800
    assert peak_bytes(kept.get_concrete_function(spec).graph) == 1200


def test_a_size_that_does_not_fit_is_reported_at_its_layer(detector):
    found = measure_costs(detector, (200, 96))
    assert (found.broken.name, found.broken.kind) == ("pyramid", "FeaturePyramid")
    assert found.broken.inputs[0] == (1, 25, 12, 128)
    assert found.broken.reason == "Dimensions must be equal, but are 14 and 13."
    names = [cost.info.name for cost in found.layers]
    assert "backbone" in names
    assert "heads" not in names
    assert found.inference_bytes is None
