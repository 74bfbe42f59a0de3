"""What TFOD's MobileNets have in common: input range, default hyperparameters, and how their layers are made.

Layer by layer they are tf_keras.applications' networks. Padding differs: it is SAME everywhere, or explicit if the
config says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams, fixed_padding

# TFOD's values, used unless the config's hyperparameters override them.
BACKBONE_DEFAULTS = ConvParams(
    initializer=lambda: tf_keras.initializers.TruncatedNormal(stddev=0.09),
    regularizer=tf_keras.regularizers.L2(0.5 * 4e-5),
    batch_norm=BatchNormParams(momentum=0.9997, epsilon=1e-3, center=True, scale=True),
    activation="relu6",
)

# CenterNet's: TFOD leaves all penalties out of its loss.
UNREGULARIZED = replace(BACKBONE_DEFAULTS, regularizer=None)


def preprocess(images):
    """Pixel values 0..255 to -1..1."""
    return (2.0 / 255.0) * images - 1.0


def color_of(values: Sequence[float]) -> tuple[float, ...]:
    """The color (red, green, blue) that `preprocess` maps to these values."""
    return tuple(127.5 * (value + 1) for value in values)


@dataclass(frozen=True)
class MobileNetLayers:
    """Makes the convolutions (without biases) of a functional MobileNet, and applies them to symbolic tensors."""

    params: ConvParams
    explicit_padding: bool = False

    def conv(self, x, filters: int, kernel_size: int, strides: int, name: str):
        """A convolution with its padding."""
        x, padding = self._padded(x, kernel_size, name)
        return self.params.conv(filters, kernel_size, strides, name=name, use_bias=False, padding=padding)(x)

    def depthwise(self, x, strides: int, name: str):
        """A 3x3 depthwise convolution with its padding."""
        x, padding = self._padded(x, 3, name)
        return self.params.depthwise_conv(3, strides, name=name, use_bias=False, padding=padding)(x)

    def _padded(self, x, kernel_size: int, name: str):
        if kernel_size == 1 or not self.explicit_padding:
            return x, "same"
        return fixed_padding(kernel_size, name=f"{name}_pad")(x), "valid"
