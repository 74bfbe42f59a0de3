"""Winograd's convolutions against the direct ones, in double precision where rounding would hide errors."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers import winograd
from odtk.layers.conv import convolve_each
from odtk.layers.winograd import WinogradConvolutions

# Multiples of the tile's side and not, smaller than a tile, and one cell.
SIZES = ((8, 12), (7, 5), (3, 4), (1, 1))


@pytest.fixture
def every_width(monkeypatch):
    """So that small convolutions are computed in this way, too."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)


def normal():
    return tf_keras.initializers.RandomNormal(0.0, 0.3)


def built(layer, channels=5):
    layer.build((None, None, None, channels))
    return layer


def drawn_maps(sizes=SIZES, channels=5, batch=2, dtype="float64"):
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=(batch, *size, channels)), dtype) for size in sizes]


def test_the_matrices_are_a_minimal_filtering():
    """In one direction: 4 results of a filter of 3 taps from 6 products."""
    of_patch, of_kernel, of_products = winograd.matrices()
    rng = np.random.default_rng(1)
    patch, kernel = rng.normal(size=6), rng.normal(size=3)
    found = of_products @ ((of_kernel @ kernel) * (of_patch @ patch))
    np.testing.assert_allclose(found, np.correlate(patch, kernel), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("use_bias", [False, True])
def test_it_computes_what_the_layer_does_on_every_map(every_width, batch, use_bias):
    conv = tf_keras.layers.Conv2D(
        7, 3, padding="same", use_bias=use_bias, kernel_initializer=normal(), bias_initializer=normal(), dtype="float64"
    )
    maps = drawn_maps(batch=batch)
    found = WinogradConvolutions([built(conv)])(conv, maps)
    for ours, direct in zip(found, convolve_each(conv, maps), strict=True):
        np.testing.assert_allclose(ours, direct, rtol=1e-12, atol=1e-12)


def test_sizes_and_batch_may_be_unknown_when_the_graph_is_built(every_width):
    conv = built(tf_keras.layers.Conv2D(7, 3, padding="same", kernel_initializer=normal(), dtype="float64"))
    convolve = WinogradConvolutions([conv])
    unknown = [tf.TensorSpec([None, None, None, 5], tf.float64)] * len(SIZES)
    graph = tf.function(lambda *maps: convolve(conv, list(maps)), input_signature=unknown)
    maps = drawn_maps()
    for ours, direct in zip(graph(*maps), convolve_each(conv, maps), strict=True):
        np.testing.assert_allclose(ours, direct, rtol=1e-12, atol=1e-12)


def test_rounding_in_single_precision():
    """Of 256 channels, as the heads have them, to values of size 1: 1e-5, where errors have their spread in 1.3e-6."""
    conv = tf_keras.layers.Conv2D(
        256, 3, padding="same", kernel_initializer=tf_keras.initializers.RandomNormal(0.0, 0.02, seed=1)
    )
    maps = [tf.nn.relu(one) for one in drawn_maps(((20, 20),), channels=256, batch=1, dtype="float32")]
    found = WinogradConvolutions([built(conv, 256)])(conv, maps)
    exact = tf.nn.conv2d(tf.cast(maps[0], tf.float64), tf.cast(conv.kernel, tf.float64), 1, "SAME")
    error = found[0].numpy() - exact.numpy()
    assert np.std(exact) == pytest.approx(0.67, abs=0.05)
    assert np.abs(error).max() < 1e-5
    assert np.std(error) < 1.3e-6


@pytest.mark.parametrize(
    "layer",
    [
        tf_keras.layers.Conv2D(64, 1, padding="same"),
        tf_keras.layers.Conv2D(64, 3, strides=2, padding="same"),
        tf_keras.layers.Conv2D(64, 3, padding="valid"),
        tf_keras.layers.Conv2D(64, 3, padding="same", dilation_rate=2),
        tf_keras.layers.Conv2D(64, 3, padding="same", groups=2),
        tf_keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        tf_keras.layers.Conv2D(24, 3, padding="same"),
        tf_keras.layers.SeparableConv2D(64, 3, padding="same"),
        tf_keras.layers.BatchNormalization(),
    ],
    ids=lambda layer: layer.name,
)
def test_other_layers_stay_as_they_are(layer):
    built(layer, 64)
    maps = drawn_maps(((6, 8),), channels=64, dtype="float32")
    convolve = WinogradConvolutions([layer])
    assert convolve.variables == []
    np.testing.assert_array_equal(convolve(layer, maps)[0], layer(maps[0]))
