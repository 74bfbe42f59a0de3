"""Convolution, batch norm and activation layers with a config's hyperparameters."""

from collections.abc import Callable
from dataclasses import dataclass

import tf_keras

from odtk.layers.bias import with_exact_bias


@dataclass(frozen=True)
class BatchNormParams:
    """`momentum` is the moving average's (TFOD's `decay`); gamma exists if `scale`, beta if `center`.

    If `synchronized`, the statistics in training are those of all replicas' images together. As in TFOD, the moving
    variance is then that of the batch itself, and not the estimate from it, which is a little larger.
    """

    momentum: float = 0.999
    epsilon: float = 0.001
    center: bool = True
    scale: bool = False
    synchronized: bool = False


@dataclass(frozen=True)
class ConvParams:
    """The parameters of all convolutions in a part of the network.

    `initializer` makes a new initializer for each layer (tf_keras's unseeded ones repeat their values when shared);
    `regularizer` is a tf_keras regularizer of kernels or None; `batch_norm` is None where there is none.
    """

    initializer: Callable[[], tf_keras.initializers.Initializer]
    regularizer: tf_keras.regularizers.Regularizer | None = None
    batch_norm: BatchNormParams | None = None
    activation: str | None = "relu6"
    force_use_bias: bool = False

    @property
    def needs_bias(self) -> bool:
        """Whether a convolution needs a bias: only if no batch norm with a beta follows it (TFOD's rule)."""
        return self.force_use_bias or not (self.batch_norm and self.batch_norm.center)

    def conv(self, filters: int, kernel_size: int, strides: int = 1, name: str | None = None, **overrides):
        """A SAME-padded convolution with these parameters, without batch norm or activation."""
        options = {
            "padding": "same",
            "use_bias": self.needs_bias,
            "kernel_initializer": self.initializer(),
            "kernel_regularizer": self.regularizer,
        }
        return with_exact_bias(tf_keras.layers.Conv2D)(
            filters, kernel_size, strides, name=name, **(options | overrides)
        )

    def separable_conv(
        self, filters: int, kernel_size: int, depthwise: bool = True, pointwise: bool = False, name: str | None = None,
        **overrides,
    ):  # fmt: skip
        """A SAME-padded depthwise separable convolution.

        As in TFOD, the parameters' initializer and regularizer apply to the `depthwise` and the `pointwise` kernel only
        if the config says so; otherwise the kernel gets Keras's defaults: Glorot initialization, no regularizer.
        """
        options = {"padding": "same", "use_bias": self.needs_bias}
        for part, ruled in (("depthwise", depthwise), ("pointwise", pointwise)):
            if ruled:
                options |= {f"{part}_initializer": self.initializer(), f"{part}_regularizer": self.regularizer}
        return with_exact_bias(tf_keras.layers.SeparableConv2D)(
            filters, kernel_size, name=name, **(options | overrides)
        )

    def depthwise_conv(self, kernel_size: int, strides: int = 1, name: str | None = None, **overrides):
        """A SAME-padded depthwise convolution whose kernel uses these parameters."""
        options = {
            "padding": "same",
            "use_bias": self.needs_bias,
            "depthwise_initializer": self.initializer(),
            "depthwise_regularizer": self.regularizer,
        }
        return with_exact_bias(tf_keras.layers.DepthwiseConv2D)(
            kernel_size, strides, name=name, **(options | overrides)
        )

    def norm(self, name: str | None = None):
        """A batch norm with these parameters; the identity if they have none."""
        params = self.batch_norm
        if params is None:
            return tf_keras.layers.Activation("linear", name=name)
        return tf_keras.layers.BatchNormalization(
            momentum=params.momentum,
            epsilon=params.epsilon,
            center=params.center,
            scale=params.scale,
            synchronized=params.synchronized,
            name=name,
        )

    def activate(self, name: str | None = None):
        """The activation layer; the identity if there is none."""
        return tf_keras.layers.Activation(self.activation or "linear", name=name)


def fixed_padding(kernel_size: int, name: str | None = None):
    """Zero padding with which a VALID convolution gives an output as large as a SAME one.

    At stride 2 with an even input size the values differ: SAME pads one zero less at the top and left, which shifts
    its windows by one pixel.
    """
    before = (kernel_size - 1) // 2
    return tf_keras.layers.ZeroPadding2D(((before, kernel_size - 1 - before),) * 2, name=name)


def convolve_each(conv: tf_keras.layers.Layer, maps: list) -> list:
    """Applies the convolution to each map separately; odtk.layers.winograd can replace this function."""
    return [conv(x) for x in maps]


class Block(tf_keras.layers.Layer):
    """A convolution, batch norm (where the parameters have one), activation."""

    def __init__(
        self, params: ConvParams, conv: tf_keras.layers.Layer, padding: tf_keras.layers.Layer | None, **kwargs
    ):
        super().__init__(**kwargs)
        self.padding, self.conv = padding, conv
        self.norm = params.norm(name="norm") if params.batch_norm else None
        self.activation = params.activate(name="activation")

    def call(self, x, training=None, convolve=convolve_each):
        """[batch, height, width, channels] to the same rank; `training` selects the batch norm's statistics."""
        if self.padding is not None:
            x = self.padding(x)
        (x,) = convolve(self.conv, [x])
        if self.norm is not None:
            x = self.norm(x, training=training)
        return self.activation(x)


class ConvBlock(Block):
    """Convolution, batch norm (where the parameters have one), activation.

    `depthwise`: a separable convolution; the parameters apply to its depthwise kernel only. `explicit_padding`: padded
    by `fixed_padding` instead of SAME.
    """

    def __init__(
        self,
        params: ConvParams,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        depthwise: bool = False,
        explicit_padding: bool = False,
        **kwargs,
    ):
        make_conv = params.separable_conv if depthwise else params.conv
        padding, options = _padding(kernel_size, explicit_padding)
        conv = make_conv(filters, kernel_size, strides=strides, name="conv", **options)
        super().__init__(params, conv, padding, **kwargs)


class DepthwiseBlock(Block):
    """Depthwise convolution, batch norm (where the parameters have one), activation.

    As in TFOD, the kernel has Keras's defaults: Glorot initialization, no regularizer. `explicit_padding` as in
    `ConvBlock`.
    """

    def __init__(
        self, params: ConvParams, kernel_size: int, strides: int = 1, explicit_padding: bool = False, **kwargs
    ):
        padding, options = _padding(kernel_size, explicit_padding)
        options |= {"depthwise_initializer": "glorot_uniform", "depthwise_regularizer": None}
        super().__init__(params, params.depthwise_conv(kernel_size, strides, name="conv", **options), padding, **kwargs)


def _padding(kernel_size: int, explicit: bool) -> tuple[tf_keras.layers.Layer | None, dict]:
    """The layer that pads explicitly, if any, and a convolution's options."""
    if explicit:
        return fixed_padding(kernel_size, name="padding"), {"padding": "valid"}
    return None, {"padding": "same"}
