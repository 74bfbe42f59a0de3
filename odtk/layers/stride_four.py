"""CenterNet's ways from a backbone's maps to one map of stride 4, as TFOD builds them.

Functional models that contain the backbone as one layer, with their layers in the order in which TFOD's checkpoints
number them. Their batch norms are Keras's own, and no kernel is regularized.
"""

from collections.abc import Sequence

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams
from odtk.layers.fpn import UpsamplingBy2

PARAMS = ConvParams(
    initializer=tf_keras.initializers.GlorotUniform,
    batch_norm=BatchNormParams(momentum=0.99, epsilon=1e-3, center=True, scale=True),
    activation="relu",
    force_use_bias=True,
)


def merging(
    backbone: tf_keras.Model, widths: Sequence[int], separable: bool = False, interpolation: str = "nearest"
) -> tf_keras.Model:
    """Images to a map of stride 4 with `widths[-1]` channels: a feature pyramid's finest level.

    From the coarsest of the backbone's four maps on, each is upsampled (`interpolation`: nearest or bilinear) and added
    to a 1x1 projection of the next finer one, with as many channels as `widths` says, then goes through a 3x3
    convolution, which is `separable` or not, batch norm and ReLU.
    """
    *finer, top = backbone(backbone.input)
    x = PARAMS.conv(widths[0], 1, name="top")(top)
    make_conv = _separable if separable else PARAMS.conv
    for step, (skip, width) in enumerate(zip(reversed(finer), widths, strict=True)):
        x = _upsampling(interpolation, f"upsampling_{step}")(x)
        projected = PARAMS.conv(width, 1, name=f"lateral_{step}")(skip)
        x = tf_keras.layers.Add(name=f"merged_{step}")([x, projected])
        following = widths[min(step + 1, len(widths) - 1)]
        x = _normed(make_conv(following, 3, name=f"smoothing_{step}")(x), f"smoothing_{step}")
    return tf_keras.Model(backbone.input, x, name="to_stride_4")


def transposing(backbone: tf_keras.Model, widths: Sequence[int], kernel_size: int) -> tf_keras.Model:
    """Images to a map of stride 4 with `widths[-1]` channels: the backbone's one map of stride 32, doubled three times.

    For each of `widths` a convolution with a kernel of `kernel_size` and a transposed one (3x3, stride 2) of that
    width, each with batch norm and ReLU.
    """
    x = backbone(backbone.input)
    for step, width in enumerate(widths):
        x = _normed(PARAMS.conv(width, kernel_size, name=f"conv_{step}")(x), f"conv_{step}")
        doubling = tf_keras.layers.Conv2DTranspose(width, 3, 2, "same", name=f"doubling_{step}")
        x = _normed(doubling(x), f"doubling_{step}")
    return tf_keras.Model(backbone.input, x, name="to_stride_4")


def _normed(x, name: str):
    return PARAMS.activate(f"{name}_relu")(PARAMS.norm(f"{name}_bn")(x))


def _separable(width: int, kernel_size: int, name: str):
    return PARAMS.separable_conv(width, kernel_size, name=name)


def _upsampling(interpolation: str, name: str):
    if interpolation == "nearest":
        return UpsamplingBy2(2, interpolation=interpolation, name=name)
    return tf_keras.layers.UpSampling2D(2, interpolation=interpolation, name=name)
