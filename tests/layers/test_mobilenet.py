"""Both MobileNets."""

import numpy as np
import pytest
import tensorflow as tf

from odtk.layers.mobilenet import BACKBONE_DEFAULTS, color_of, preprocess
from odtk.layers.mobilenet_v1 import mobilenet_v1
from odtk.layers.mobilenet_v2 import mobilenet_v2

BACKBONES = {
    "v1": (mobilenet_v1, {"alpha": 0.5, "min_depth": 16}),
    "v1, thin": (mobilenet_v1, {"alpha": 0.5, "min_depth": 16, "thin": True}),
    "v2": (mobilenet_v2, {"alpha": 0.5, "min_depth": 16}),
}


@pytest.fixture(scope="module")
def backbones():
    return {name: make(BACKBONE_DEFAULTS, **options) for name, (make, options) in BACKBONES.items()}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_kernel_is_penalized(backbones, name):
    backbone = backbones[name]
    kernels = [weight for weight in backbone.trainable_weights if "kernel" in weight.name]
    expected = 2e-5 * sum(float(tf.reduce_sum(kernel**2)) for kernel in kernels)
    assert float(tf.add_n(backbone.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
def test_outputs_have_strides_4_to_32(backbones, name):
    shapes = backbones[name].compute_output_shape([None, 160, 224, 3])
    assert [tuple(shape[1:3]) for shape in shapes] == [(160 // s, 224 // s) for s in (4, 8, 16, 32)]


@pytest.mark.parametrize(("make", "output"), [(mobilenet_v1, "conv_pw_3_relu"), (mobilenet_v2, "block_2")])
def test_explicit_padding_stands_before_each_3x3_convolution_and_keeps_the_sizes(make, output):
    backbone = make(BACKBONE_DEFAULTS, alpha=0.25, explicit_padding=True, outputs=(output,))
    layers = backbone.layers
    padded = [layers[index + 1] for index, layer in enumerate(layers) if layer.name.endswith("_pad")]
    assert padded == [layer for layer in layers if getattr(layer, "kernel_size", (1, 1)) == (3, 3)]
    assert {layer.padding for layer in padded} == {"valid"}
    # Odd sides round up.
    assert tuple(backbone.compute_output_shape([None, 35, 37, 3])[1:3]) == (9, 10)


def test_preprocessing_takes_pixels_to_plus_and_minus_one():
    np.testing.assert_allclose(preprocess(tf.constant([0.0, 127.5, 255.0])), [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(
        preprocess(tf.constant(color_of((-1.0, 0.0, 100.0)))), [-1, 0, 100], rtol=1e-6, atol=1e-6
    )
