"""The prediction heads of CenterNet."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from odtk.layers.conv import ConvParams, convolve_each


class PointHead(tf_keras.layers.Layer):
    """Convolutions with ReLU, and a last 1x1 convolution to `channels`; all with biases and without batch norm.

    `widths` and `kernel_sizes` are those of the convolutions before the last one, which `depthwise` makes separable.
    The last one's bias is `bias` at first.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        bias: float = 0.0,
        depthwise: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        params = ConvParams(initializer=tf_keras.initializers.GlorotUniform, activation="relu")
        make_conv = params.separable_conv if depthwise else params.conv
        self.convs = [
            make_conv(width, kernel_size, name=f"conv_{index}")
            for index, (width, kernel_size) in enumerate(zip(widths, kernel_sizes, strict=True))
        ]
        self.activation = params.activate(name="activation")
        self.last = params.conv(channels, 1, name="last", bias_initializer=tf_keras.initializers.Constant(bias))
        self.convolve = convolve_each

    def call(self, x):
        """A map [batch, rows, columns, c] to [batch, rows, columns, channels], of the variables' type."""
        for conv in self.convs:
            (x,) = self.convolve(conv, [x])
            x = self.activation(x)
        # What reads it is not computed in low precision, nor are sigmoids.
        return tf.cast(self.last(x), self.variable_dtype)
