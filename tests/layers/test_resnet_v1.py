import pytest
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.resnet_v1 import resnet_v1

PARAMS = ConvParams(tf_keras.initializers.GlorotUniform, batch_norm=BatchNormParams(scale=True), activation="relu")


@pytest.fixture(scope="module")
def backbones():
    """The three depths, thin."""
    return {depth: resnet_v1(depth, PARAMS, depth_multiplier=1 / 16) for depth in (50, 101, 152)}


def convolutions(model) -> list:
    return [layer for layer in model.layers if isinstance(layer, tf_keras.layers.Conv2D)]


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_the_name_counts_the_layers(backbones, depth):
    # All convolutions but the four shortcut projections, and the classifier that is not here.
    assert len(convolutions(backbones[depth])) - 4 + 1 == depth


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_outputs_halve_and_double(backbones, depth):
    shapes = backbones[depth].compute_output_shape([None, 160, 224, 3])
    expected = [(None, 160 // stride, 224 // stride, 4 * stride) for stride in (4, 8, 16, 32)]
    assert [tuple(shape) for shape in shapes] == expected


def test_the_stride_is_on_a_blocks_first_convolution_and_its_shortcut(backbones):
    strided = {layer.name for layer in convolutions(backbones[50]) if layer.strides == (2, 2)}
    assert strided == {"conv1_conv"} | {f"conv{stage}_block1_{i}_conv" for stage in (3, 4, 5) for i in (0, 1)}


def test_no_convolution_has_a_bias(backbones):
    assert not any(layer.use_bias for layer in convolutions(backbones[50]))


@pytest.mark.parametrize(("multiplier", "least", "widths"), [(0.25, 0, (16, 512)), (0.1, 8, (8, 204))])
def test_widths_are_cut_down_and_held_up(multiplier, least, widths):
    layers = {layer.name: layer for layer in resnet_v1(50, PARAMS, multiplier, least).layers}
    assert (layers["conv1_conv"].filters, layers["conv5_block3_3_conv"].filters) == widths
