"""Hourglass networks, as TFOD's CenterNet builds them.

Newell et al., "Stacked Hourglass Networks for Human Pose Estimation", 2016; Law and Deng, "CornerNet", 2018. Attributes
have the names under which TFOD's checkpoints hold the layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams, fixed_padding
from odtk.layers.fpn import UpsamplingBy2

_PARAMS = ConvParams(
    initializer=tf_keras.initializers.GlorotUniform,
    # A memory of little more than one step; statistics of all replicas together.
    batch_norm=BatchNormParams(momentum=0.1, epsilon=1e-5, center=True, scale=True, synchronized=True),
    activation="relu",
)


@dataclass(frozen=True)
class HourglassShape:
    """The width of the first convolution, and width and number of blocks of each map from stride 4 on.

    `count` hourglasses stand one behind the other; each gives a map.
    """

    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    count: int = 1

    @property
    def coarsest_stride(self) -> int:
        """Of the innermost map; sides must be multiples of it."""
        return 4 * 2 ** (len(self.widths) - 1)


SHAPES = {
    10: HourglassShape(32, (64, 64), (1, 1)),
    20: HourglassShape(48, (96, 96, 144), (1, 2, 2)),
    32: HourglassShape(48, (96, 96, 144, 144), (2, 2, 2, 2)),
    52: HourglassShape(64, (128, 128, 192, 192, 192, 256), (2, 2, 2, 2, 2, 4)),
    104: HourglassShape(128, (256, 256, 384, 384, 384, 512), (2, 2, 2, 2, 2, 4), count=2),
}


class ConvNorm(tf_keras.layers.Layer):
    """An explicitly padded convolution without bias, batch norm, and ReLU if `activates`."""

    def __init__(self, width: int, kernel_size: int, stride: int = 1, activates: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.pad = fixed_padding(kernel_size, name="pad") if kernel_size > 1 else None
        self.conv = _PARAMS.conv(width, kernel_size, stride, name="conv", use_bias=False, padding="valid")
        self.norm = _PARAMS.norm(name="norm")
        self.relu = _PARAMS.activate(name="relu") if activates else None

    def call(self, x, training=None):
        """[batch, rows, columns, channels] to the same rank."""
        x = self.conv(x if self.pad is None else self.pad(x))
        x = self.norm(x, training=training)
        return x if self.relu is None else self.relu(x)


class Residual(tf_keras.layers.Layer):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution if `projects`."""

    def __init__(self, width: int, stride: int = 1, projects: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.conv_block = ConvNorm(width, 3, stride, name="conv_block")
        self.conv = _PARAMS.conv(width, 3, name="conv", use_bias=False)
        self.norm = _PARAMS.norm(name="norm")
        self.skip = ConvNorm(width, 1, stride, activates=False, name="skip") if projects else None
        self.relu = _PARAMS.activate(name="relu")

    def call(self, x, training=None):
        """[batch, rows, columns, channels] to the same rank."""
        shortcut = x if self.skip is None else self.skip(x, training=training)
        x = self.norm(self.conv(self.conv_block(x, training=training)), training=training)
        return self.relu(x + shortcut)


class Stem(tf_keras.layers.Layer):
    """Images to stride 4."""

    def __init__(self, first_width: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.conv_block = ConvNorm(first_width, 7, 2, name="conv_block")
        self.residual_block = Residual(width, 2, projects=True, name="residual_block")

    def call(self, images, training=None):
        """[batch, height, width, 3] to [batch, height / 4, width / 4, channels]."""
        return self.residual_block(self.conv_block(images, training=training), training=training)


class EncoderDecoder(tf_keras.layers.Layer):
    """One level of an hourglass: a map as it is, plus what the coarser levels make of it."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        outer, inner, *_ = widths
        self.encoder_block1 = _residuals(outer, blocks[0], "encoder_1")
        self.encoder_block2 = _residuals(inner, blocks[0], "encoder_2", stride=2, projects=outer != inner)
        self.inner_block = (
            [EncoderDecoder(widths[1:], blocks[1:], name="inner")]
            if len(widths) > 2
            else _residuals(inner, blocks[1], "inner")
        )
        self.decoder_block = _residuals(outer, blocks[0], "decoder", width_before=inner)
        self.upsample = UpsamplingBy2(2, name="upsample")
        self.merge_features = tf_keras.layers.Add(name="merge_features")

    def call(self, x, training=None):
        """[batch, rows, columns, channels] to the same shape."""
        kept, inner = x, x
        for block in self.encoder_block1:
            kept = block(kept, training=training)
        for block in [*self.encoder_block2, *self.inner_block, *self.decoder_block]:
            inner = block(inner, training=training)
        return self.merge_features([kept, self.upsample(inner)])


def _residuals(
    width: int, count: int, name: str, stride: int = 1, projects: bool = False, width_before: int | None = None
) -> list[Residual]:
    """`count` blocks, all but the last with `width_before` (by default `width`) channels, the first with the stride.

    `projects`: so does the first, if it is not the only one. Shortcuts that change the stride or, in the last, the
    width always do; where a single block changes the width alone none does, as in TFOD, which has no such network.
    """
    before = width if width_before is None else width_before
    firsts = [
        Residual(
            before,
            stride if index == 0 else 1,
            projects=index == 0 and (stride > 1 or projects),
            name=f"{name}_{index}",
        )
        for index in range(count - 1)
    ]
    is_only = count == 1
    last = Residual(
        width,
        stride if is_only else 1,
        projects=stride > 1 if is_only else before != width,
        name=f"{name}_{count - 1}",
    )
    return [*firsts, last]


class Hourglass(tf_keras.Model):
    """Images to a list of maps of stride 4, one of each hourglass."""

    def __init__(self, shape: HourglassShape, **kwargs):
        super().__init__(**kwargs)
        width, numbers = shape.widths[0], range(shape.count)
        self.downsample_input = Stem(shape.stem, width, name="downsample_input")
        self.hourglass_network = [EncoderDecoder(shape.widths, shape.blocks, name=f"hourglass_{i}") for i in numbers]
        self.output_conv = [ConvNorm(width, 3, name=f"output_conv_{i}") for i in numbers]
        between = numbers[:-1]
        self.intermediate_conv1 = [ConvNorm(width, 1, activates=False, name=f"from_input_{i}") for i in between]
        self.intermediate_conv2 = [ConvNorm(width, 1, activates=False, name=f"from_output_{i}") for i in between]
        self.intermediate_residual = [Residual(width, name=f"to_next_{i}") for i in between]
        self.intermediate_relu = _PARAMS.activate(name="intermediate_relu")

    def call(self, images, training=None):
        """[batch, height, width, 3] to maps [batch, height / 4, width / 4, channels]."""
        x = self.downsample_input(images, training=training)
        outputs = []
        for number, (hourglass, output) in enumerate(zip(self.hourglass_network, self.output_conv, strict=True)):
            outputs.append(output(hourglass(x, training=training), training=training))
            if number < len(self.intermediate_residual):
                of_input = self.intermediate_conv1[number](x, training=training)
                of_output = self.intermediate_conv2[number](outputs[-1], training=training)
                x = self.intermediate_residual[number](self.intermediate_relu(of_input + of_output), training=training)
        return outputs
