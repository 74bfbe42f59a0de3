"""The pyramid as TFOD computes it, against the same steps written out."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.fpn import FeaturePyramid, UpsamplingBy2

PARAMS = ConvParams(
    lambda: tf_keras.initializers.RandomNormal(0.0, 0.3), batch_norm=BatchNormParams(scale=True), activation="relu6"
)


@pytest.fixture(scope="module")
def case():
    tf.random.set_seed(1)
    pyramid = FeaturePyramid(PARAMS, depth=4)
    maps = [tf.random.normal([1, side, side, channels]) for side, channels in ((8, 3), (4, 5), (2, 6))]
    return pyramid, maps, pyramid(maps)


def test_five_levels(case):
    assert [tuple(level.shape) for level in case[2]] == [(1, side, side, 4) for side in (8, 4, 2, 1, 1)]


def test_the_top_is_its_bare_projection(case):
    pyramid, maps, levels = case
    projected = pyramid.top(maps[2])
    np.testing.assert_array_equal(levels[2], projected)
    assert (projected.numpy() < 0).any()  # unsmoothed and not activated
    assert (levels[0].numpy() >= 0).all()


def test_what_travels_down_is_the_finished_level_above(case):
    pyramid, maps, levels = case
    for level, above in ((1, 2), (0, 1)):
        merged = np.repeat(np.repeat(levels[above], 2, axis=1), 2, axis=2) + pyramid.lateral[1 - level](maps[level])
        np.testing.assert_allclose(levels[level], pyramid.smoothing[1 - level](merged), atol=1e-5)


def test_coarse_levels_start_from_the_bare_top(case):
    pyramid, _, levels = case
    np.testing.assert_array_equal(levels[3], pyramid.coarse[0](levels[2]))
    np.testing.assert_array_equal(levels[4], pyramid.coarse[1](levels[3]))


def test_projections_have_a_bias_and_what_is_normalized_has_none(case):
    pyramid = case[0]
    assert all(conv.use_bias for conv in [pyramid.top, *pyramid.lateral])
    assert not any(block.conv.use_bias for block in [*pyramid.smoothing, *pyramid.coarse])


def test_one_map_has_its_projection_and_what_follows():
    levels = FeaturePyramid(PARAMS, depth=4, num_coarse=2, num_merged=1)([tf.zeros([1, 4, 4, 3])])
    assert [tuple(level.shape) for level in levels] == [(1, side, side, 4) for side in (4, 2, 1)]


@pytest.mark.parametrize("known", [True, False])
def test_with_explicit_padding_what_travels_down_is_cut_to_the_map_that_it_meets(known):
    pyramid = FeaturePyramid(PARAMS, depth=4, explicit_padding=True)
    maps = [tf.random.normal([1, *sides, 3]) for sides in ((7, 5), (4, 3), (2, 2))]
    signature = [tf.TensorSpec([None, *(m.shape[1:3] if known else (None, None)), 3]) for m in maps]
    levels = tf.function(lambda *maps: pyramid(list(maps)), input_signature=signature)(*maps)
    assert [tuple(level.shape[1:]) for level in levels] == [(7, 5, 4), (4, 3, 4), (2, 2, 4), (1, 1, 4), (1, 1, 4)]
    above = np.repeat(np.repeat(levels[2], 2, axis=1), 2, axis=2)[:, :4, :3]
    merged = above + pyramid.lateral[0](maps[1])
    np.testing.assert_allclose(levels[1], pyramid.smoothing[0](merged), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_upsampling_has_tensorflows_values_and_gradient(dtype):
    x, weights = tf.cast(tf.random.normal([2, 3, 5, 4]), dtype), tf.cast(tf.random.normal([2, 6, 10, 4]), dtype)
    layer = UpsamplingBy2(2, interpolation="nearest", dtype=dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    gradient = tape.gradient(y, x, weights)
    assert (y.dtype, gradient.dtype) == (dtype, dtype)
    np.testing.assert_array_equal(y, np.repeat(np.repeat(x, 2, axis=1), 2, axis=2))
    exact = tf.raw_ops.ResizeNearestNeighborGrad(grads=tf.cast(weights, tf.float64), size=[3, 5])
    accuracy = {"float64": 1e-15, "float32": 1e-6, "bfloat16": 2**-8}[dtype]
    np.testing.assert_allclose(tf.cast(gradient, tf.float64), exact, rtol=0, atol=accuracy * 8)
