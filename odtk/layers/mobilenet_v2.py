"""The MobileNet v2 backbone as TFOD builds it.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.
"""

import tf_keras

from odtk.layers.channels import divisible_by_8
from odtk.layers.conv import ConvParams
from odtk.layers.mobilenet import MobileNetLayers

# The paper's table 2: expansion, channels, repeats, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_FILTERS, TOP_FILTERS = 32, 1280

# Strides 4 to 32: the inputs of SSD's feature pyramids. Blocks are named by number: "block_2".
PYRAMID_MAPS = ("block_2", "block_5", "block_12", "out_relu")


def mobilenet_v2(
    params: ConvParams,
    alpha: float = 1.0,
    min_depth: int = 0,
    explicit_padding: bool = False,
    outputs: tuple[str, ...] = PYRAMID_MAPS,
) -> tf_keras.Model:
    """A functional model from images [batch, height, width, 3] to `outputs`.

    These are "block_N" (a block's output, after the residual sum if it has one), "block_N_expand_relu" and "out_relu";
    the model ends at the last of them. Layers are in the order in which TFOD's checkpoints number them.
    """
    layers = MobileNetLayers(params, explicit_padding)
    blocks = [
        (expansion, filters, strides if repeat == 0 else 1)
        for expansion, filters, repeats, strides in STAGES
        for repeat in range(repeats)
    ]
    images = tf_keras.Input((None, None, 3))
    x = layers.conv(images, max(divisible_by_8(STEM_FILTERS * alpha), min_depth), 3, 2, "Conv1")
    x = params.activate("Conv1_relu")(params.norm("bn_Conv1")(x))
    maps = {}
    for index, (expansion, filters, strides) in enumerate(blocks):
        name = f"block_{index}"
        x, expanded = _block(layers, x, expansion, divisible_by_8(int(filters * alpha)), min_depth, strides, name)
        maps |= {name: x, f"{name}_expand_relu": expanded}
    # alpha above 1 does not widen the last convolution.
    top = divisible_by_8(TOP_FILTERS * alpha) if alpha < 1 else TOP_FILTERS
    x = params.norm("Conv_1_bn")(layers.conv(x, max(top, min_depth), 1, 1, "Conv_1"))
    maps["out_relu"] = params.activate("out_relu")(x)
    return tf_keras.Model(images, [maps[name] for name in outputs], name="mobilenet_v2")


def _block(layers: MobileNetLayers, x, expansion: int, filters: int, min_depth: int, strides: int, name: str):
    """(the output of an inverted residual, the expanded tensor within it)."""
    params, channels = layers.params, x.shape[-1]
    expanded = x
    if expansion > 1:
        expanded = params.norm(f"{name}_expand_BN")(layers.conv(x, expansion * channels, 1, 1, f"{name}_expand"))
        expanded = params.activate(f"{name}_expand_relu")(expanded)
    narrow = params.norm(f"{name}_depthwise_BN")(layers.depthwise(expanded, strides, f"{name}_depthwise"))
    narrow = params.activate(f"{name}_depthwise_relu")(narrow)
    narrow = layers.conv(narrow, max(filters, min_depth), 1, 1, f"{name}_project")
    narrow = params.norm(f"{name}_project_BN")(narrow)
    # As TFOD: `filters` is compared before min_depth raises it, so a raised block adds nothing.
    if strides == 1 and channels == filters:
        narrow = tf_keras.layers.Add(name=f"{name}_add")([x, narrow])
    return narrow, expanded
