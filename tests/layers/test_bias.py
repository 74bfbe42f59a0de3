"""In bfloat16 layers round what goes in and comes out, but add up in float32, biases' gradients included."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.bias import with_exact_bias
from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.fpn import UpsamplingBy2
from odtk.layers.precision import BFLOAT16, layers_in

CHANNELS = 8
PARAMS = ConvParams(lambda: tf_keras.initializers.GlorotUniform(seed=3), force_use_bias=True, activation="relu6")
NORM = ConvParams(PARAMS.initializer, batch_norm=BatchNormParams(scale=True))
LAYERS = {
    "conv": lambda: PARAMS.conv(CHANNELS, 3),
    "strided": lambda: PARAMS.conv(CHANNELS, 3, 2),
    "projection": lambda: PARAMS.conv(CHANNELS, 1),
    "separable": lambda: PARAMS.separable_conv(CHANNELS, 3),
    "depthwise": lambda: PARAMS.depthwise_conv(3),
    "norm": NORM.norm,
    "pool": lambda: tf_keras.layers.MaxPool2D(3, 2, padding="same"),
    "upsampling": lambda: UpsamplingBy2(2, interpolation="nearest"),
}


def rounded(values):
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float32)


@tf.function(autograph=False)
def computed(layer, x):
    """Output, gradients of x and of the weights, float32; the output's own gradient has one sign, as a bias's may."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True) if isinstance(layer, tf_keras.layers.BatchNormalization) else layer(x)
    upstream = tf.random.stateless_uniform(tf.shape(y), [1, 2], 0.5, 1.5)
    found = tape.gradient(y, [x, *layer.trainable_variables], tf.cast(rounded(upstream), y.dtype))
    return [tf.cast(each, tf.float32) for each in (y, *found)]


@pytest.mark.parametrize("name", LAYERS)
def test_sums_are_as_exact_as_in_float32(name):
    """A thousand values of one sign cannot be added up in bfloat16: from 256 times their size on, nothing is added."""
    x = rounded(tf.random.stateless_normal([4, 16, 16, CHANNELS], [5, 6], 1.0))
    exact = LAYERS[name]()
    with layers_in(BFLOAT16):
        low = LAYERS[name]()
    for layer in (exact, low):
        layer.build(x.shape)
    for theirs, ours in zip(exact.weights, low.weights, strict=True):
        theirs.assign(rounded(theirs))
        ours.assign(theirs)
    expected, found = computed(exact, x), computed(low, tf.cast(x, tf.bfloat16))
    for one, other in zip(found, expected, strict=True):
        # Without AVX-512 TensorFlow's kernels round the sums of a few values, too, which makes 1 %. A bias's gradient
        # that is added up in bfloat16 is off by 2 % with 256 values, and by 50 % with 1024.
        assert np.linalg.norm(one - other) < 2**-6 * np.linalg.norm(other), one.shape


def test_on_gpus_and_in_other_precisions_the_layers_are_those_of_keras(monkeypatch):
    """Their kernels add up in float32 anyway."""
    layer = tf_keras.layers.Conv2D
    assert with_exact_bias(layer) is layer
    with layers_in(BFLOAT16):
        assert with_exact_bias(layer) is not layer
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
        assert with_exact_bias(layer) is layer
