import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.extra_maps import ExtraMaps

PARAMS = ConvParams(tf_keras.initializers.GlorotUniform, tf_keras.regularizers.L2(1.0), BatchNormParams(scale=True))


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("explicit_padding", [False, True])
def test_each_map_has_half_the_side_of_the_one_before_rounded_up(depthwise, explicit_padding):
    layer = ExtraMaps(PARAMS, [(4, 6), (3, 5)], depthwise=depthwise, explicit_padding=explicit_padding)
    own = [tf.ones([1, 14, 9, 7]), tf.ones([1, 7, 5, 8])]
    maps = layer(own)
    assert [tuple(each.shape[1:]) for each in maps] == [(14, 9, 7), (7, 5, 8), (4, 3, 6), (2, 2, 5)]
    assert maps[:2] == own


def test_without_extra_maps_the_first_of_the_backbones_are_all():
    own = [tf.ones([1, 4, 4, 2]), tf.ones([1, 2, 2, 3])]
    (only,) = ExtraMaps(PARAMS, [], num_own=1)(own)
    assert only is own[0]


@pytest.mark.parametrize("depthwise", [False, True])
def test_a_depthwise_kernel_is_not_penalized(depthwise):
    layer = ExtraMaps(PARAMS, [(4, 6)], depthwise=depthwise)
    layer([tf.ones([1, 4, 4, 2]), tf.ones([1, 2, 2, 3])])
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    assert len(kernels) == 2 + depthwise
    ruled = [kernel for kernel in kernels if "depthwise_kernel" not in kernel.name]
    expected = sum(float(tf.reduce_sum(kernel**2)) for kernel in ruled)
    assert float(tf.add_n(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_training_moves_the_statistics_of_each_block():
    layer = ExtraMaps(PARAMS, [(4, 6)], depthwise=True)
    own = [tf.ones([1, 4, 4, 2]), tf.random.normal([1, 4, 4, 3], 3.0)]
    layer(own)
    before = [block.norm.moving_mean.numpy() for block in layer.extra[0].blocks]
    layer(own, training=True)
    after = [block.norm.moving_mean.numpy() for block in layer.extra[0].blocks]
    assert len(before) == 3
    assert all(np.abs(new - old).max() > 0 for new, old in zip(after, before, strict=True))
