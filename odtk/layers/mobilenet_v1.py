"""The MobileNet v1 backbone as TFOD builds it.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.
"""

import tf_keras

from odtk.layers.conv import ConvParams
from odtk.layers.mobilenet import MobileNetLayers

STEM_FILTERS = 32
# The paper's table 1: channels and stride of the separable convolutions.
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
# Channels of the last two if TFOD thins them.
THIN_FILTERS = (512, 256)

# Strides 4 to 32: the inputs of SSD's feature pyramid.
PYRAMID_MAPS = ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu")


def mobilenet_v1(
    params: ConvParams,
    alpha: float = 1.0,
    min_depth: int = 0,
    thin: bool = False,
    explicit_padding: bool = False,
    outputs: tuple[str, ...] = PYRAMID_MAPS,
) -> tf_keras.Model:
    """A functional model from images [batch, height, width, 3] to `outputs`: "conv_pw_N_relu", the blocks' outputs.

    It ends at the last of them. Layers are in the order in which TFOD's checkpoints number them. `thin`: the last two
    blocks have 512 and 256 channels times alpha.
    """
    stem, *widths = _widths(alpha, min_depth, thin)
    layers = MobileNetLayers(params, explicit_padding)
    images = tf_keras.Input((None, None, 3))
    x = params.norm("conv1_bn")(layers.conv(images, stem, 3, 2, "conv1"))
    x = params.activate("conv1_relu")(x)
    maps = {}
    for block, (width, (_, strides)) in enumerate(zip(widths, BLOCKS, strict=True), start=1):
        x = params.norm(f"conv_dw_{block}_bn")(layers.depthwise(x, strides, f"conv_dw_{block}"))
        x = params.activate(f"conv_dw_{block}_relu")(x)
        x = params.norm(f"conv_pw_{block}_bn")(layers.conv(x, width, 1, 1, f"conv_pw_{block}"))
        x = maps[f"conv_pw_{block}_relu"] = params.activate(f"conv_pw_{block}_relu")(x)
    return tf_keras.Model(images, [maps[name] for name in outputs], name="mobilenet_v1")


def _widths(alpha: float, min_depth: int, thin: bool) -> list[int]:
    """Channels of the stem and of the blocks. alpha is applied twice, as in TFOD, except to the thin blocks."""
    filters = [int(filters * alpha) for filters in (STEM_FILTERS, *(filters for filters, _ in BLOCKS))]
    if thin:
        filters[-2:] = THIN_FILTERS
    return [max(int(width * alpha), min_depth) for width in filters]
