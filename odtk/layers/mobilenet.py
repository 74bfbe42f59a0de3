"""What TFOD's MobileNets have in common: their input, their own hyperparameters, and how their layers are made.

Layer by layer they are tf_keras.applications' networks. Padding differs: it is SAME everywhere, or explicit where the
config asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams, fixed_padding

# What TFOD uses where the config's hyperparameters do not override it.
BACKBONE_DEFAULTS = ConvParams(
    initializer=lambda: tf_keras.initializers.TruncatedNormal(stddev=0.09),
    regularizer=tf_keras.regularizers.L2(0.5 * 4e-5),
    batch_norm=BatchNormParams(momentum=0.9997, epsilon=1e-3, center=True, scale=True),
    activation="relu6",
)


def preprocess(images):
    """Pixel values 0..255 to -1..1."""
    return (2.0 / 255.0) * images - 1.0


def color_of(values: Sequence[float]) -> tuple[float, ...]:
    """The color (red, green, blue) that `preprocess` turns into these values."""
    return tuple(127.5 * (value + 1) for value in values)


@dataclass(frozen=True)
class MobileNetLayers:
    """Makes the convolutions of a functional MobileNet, none with a bias, and runs symbolic tensors through them."""

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
