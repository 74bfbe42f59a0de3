import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvBlock, ConvParams


def window_sums(x, **options):
    """Sums of 3x3 windows, every second one."""
    block = ConvBlock(ConvParams(tf_keras.initializers.Ones, activation=None), 1, 3, strides=2, **options)
    x = tf.reshape(x, [1, *x.shape, 1])
    block(x)
    for weight in block.weights:
        weight.assign(tf.zeros_like(weight) if "bias" in weight.name else tf.ones_like(weight))
    return np.squeeze(block(x))


@pytest.mark.parametrize("depthwise", [False, True])
def test_explicit_padding_shifts_the_windows_on_even_sides_alone(depthwise):
    even, odd = np.eye(4, dtype=np.float32), np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(window_sums(even, depthwise=depthwise), [[3, 1], [1, 2]])
    np.testing.assert_array_equal(window_sums(even, depthwise=depthwise, explicit_padding=True), [[2, 1], [1, 3]])
    explicit = window_sums(odd, depthwise=depthwise, explicit_padding=True)
    np.testing.assert_array_equal(explicit, window_sums(odd, depthwise=depthwise))


@pytest.mark.parametrize(("depthwise", "penalised"), [(False, 9 * 4 * 5), (True, 9 * 4)])
def test_of_a_separable_convolution_the_depthwise_kernel_alone_is_ruled(depthwise, penalised):
    params = ConvParams(tf_keras.initializers.Ones, tf_keras.regularizers.L2(0.5), BatchNormParams())
    block = ConvBlock(params, 5, 3, depthwise=depthwise)
    block(tf.zeros([1, 2, 2, 4]))
    assert float(tf.add_n(block.losses)) == pytest.approx(0.5 * penalised)


def test_where_there_is_no_batch_norm_the_identity_stands_in_for_it():
    norm = ConvParams(tf_keras.initializers.Ones).norm("conv1_bn")
    x = tf.random.normal([1, 2, 2, 3], 5.0)
    np.testing.assert_array_equal(norm(x), x)
    assert norm.name == "conv1_bn"
