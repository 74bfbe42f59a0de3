"""EfficientNet's input range, its layers that no map needs, and stochastic depth."""

import numpy as np
import pytest
import tensorflow as tf

from odtk import step_random
from odtk.layers.efficientnet import EfficientNet, StochasticDepth, color_of, preprocess


def test_a_color_is_preprocessed_to_the_values_it_was_made_for():
    values = (0.0, -1.5, 2.0)
    np.testing.assert_allclose(preprocess(tf.constant([color_of(values)]))[0], values, atol=1e-6)
    # TFOD's numbers.
    np.testing.assert_allclose(preprocess(tf.constant([255.0, 0.0, 127.5]))[:2], [2.248908, -2.035714], rtol=1e-5)


@pytest.fixture(scope="module")
def network() -> EfficientNet:
    """B1 with levels 3 and 4, which leave a part of it unused."""
    return EfficientNet("b1", [3, 4], weight_decay=0.5)


def test_maps_have_the_strides_of_their_levels(network):
    maps = network(tf.zeros([1, 64, 96, 3]))
    assert [tuple(each.shape) for each in maps] == [(1, 8, 12, 40), (1, 4, 6, 112)]


def test_layers_that_no_map_needs_are_penalized_but_have_no_gradient(network):
    names = {layer.name for layer in network.unused}
    assert {"top_conv", "top_bn", "logits", "stack_4_block_3_project_conv", "stack_6_block_1_se_reduce_conv"} <= names
    assert not names & {layer.name for layer in network.maps.layers}
    images = tf.random.stateless_uniform([1, 64, 64, 3], seed=[0, 1])
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(each) for each in network(images, training=False)])
    gradients = tape.gradient(loss, network.trainable_variables)
    unused = {id(variable) for layer in network.unused for variable in layer.weights}
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert (gradient is None) == (id(variable) in unused), variable.name
    # Every kernel that the optimizer has is used or decays.
    penalty = tf.add_n(network.losses)
    squares = [tf.nn.l2_loss(v) for v in network.trainable_variables if _is_penalized(v.name)]
    assert float(penalty) == pytest.approx(float(tf.add_n(squares)), rel=1e-5)
    assert all(_is_penalized(v.name) for v in network.trainable_variables if id(v) in unused)


def _is_penalized(name: str) -> bool:
    return "/kernel" in name or "/bias" in name


def test_stochastic_depth_leaves_out_whole_images():
    layer, x = StochasticDepth(0.25), tf.ones([4000, 2, 2, 3])
    np.testing.assert_array_equal(layer(x, training=False), x)
    with step_random.seeded(tf.constant([1, 2], tf.int64)):
        first, second = (layer(x, training=True).numpy().reshape(4000, 12) for _ in range(2))
    for drawn in (first, second):
        np.testing.assert_array_equal(drawn, np.tile(drawn[:, :1], 12))
        np.testing.assert_allclose(np.unique(drawn), [0, 1 / 0.75])
        assert np.mean(drawn[:, 0] == 0) == pytest.approx(0.25, abs=0.03)  # 4 standard deviations
    assert (first != second).any()
    with step_random.seeded(tf.constant([1, 2], tf.int64)):
        np.testing.assert_array_equal(layer(x, training=True).numpy().reshape(4000, 12), first)
