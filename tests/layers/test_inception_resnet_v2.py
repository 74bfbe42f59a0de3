"""Inception ResNet v2 in two parts, against the one of tf_keras.applications."""

import pytest
import tf_keras

from odtk.layers import inception_resnet_v2


@pytest.fixture
def shallow(monkeypatch):
    """A block of each kind instead of ten or twenty."""
    monkeypatch.setattr(inception_resnet_v2, "BLOCKS", dict.fromkeys(inception_resnet_v2.BLOCKS, 1))


@pytest.mark.parametrize(("stride", "sides"), [(16, (4, 6)), (8, (8, 11))])
def test_stride_8_dilates_the_convolutions_of_block17_instead_of_halving_the_map(shallow, stride, sides):
    model = inception_resnet_v2.inception_resnet_v2(stride=stride)
    finest, coarsest = model.compute_output_shape((None, 60, 85, 3))
    assert tuple(finest) == (None, 8, 11, 320)
    assert tuple(coarsest) == (None, *sides, inception_resnet_v2.CHANNELS)
    dilated = {layer.name for layer in model.layers if getattr(layer, "dilation_rate", (1, 1)) == (2, 2)}
    assert dilated == (set() if stride == 16 else {"block17_1_branch1_1", "block17_1_branch1_2"})


def test_the_last_block_is_neither_scaled_nor_activated(shallow):
    model = inception_resnet_v2.inception_resnet_v2_top()
    assert model.get_layer("block8_1").scale == 1
    assert "block8_1_ac" not in [layer.name for layer in model.layers]
    assert tuple(model.compute_output_shape((None, 5, 5, inception_resnet_v2.CHANNELS))) == (None, 3, 3, 1536)


@pytest.mark.slow
def test_layers_are_numbered_as_in_the_whole_network():
    """So they are in TFOD's checkpoints of classifiers, which go on where the first part ends."""
    whole = tf_keras.applications.InceptionResNetV2(include_top=False, weights=None)
    parts = inception_resnet_v2.inception_resnet_v2(), inception_resnet_v2.inception_resnet_v2_top()
    assert shapes_of(*parts) == shapes_of(whole)


def shapes_of(*models) -> list:
    """Of the variables, by layer."""
    layers = [layer for model in models for layer in model.layers if layer.weights]
    return [[tuple(variable.shape) for variable in layer.weights] for layer in layers]
