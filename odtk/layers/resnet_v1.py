"""ResNet v1 backbones as TFOD builds them: stride on a block's first 1x1 convolution, no convolution bias.

He et al., "Deep Residual Learning for Image Recognition", 2015. It differs from tf_keras.applications in the bias, in
the SAME max pool of the stem, and in hyperparameters that a config may override; CenterNet's is tf_keras.applications'.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams

# RGB, subtracted by TFOD's ResNet v1 feature extractors.
CHANNEL_MEANS = (123.68, 116.779, 103.939)

# TFOD's values, used unless the config's hyperparameters override them; the L2 penalty has no factor 0.5.
BACKBONE_DEFAULTS = ConvParams(
    initializer=tf_keras.initializers.VarianceScaling,
    regularizer=tf_keras.regularizers.L2(1e-4),
    batch_norm=BatchNormParams(momentum=0.997, epsilon=1e-5, center=True, scale=True),
    activation="relu",
)

# tf_keras.applications' values.
KERAS_DEFAULTS = ConvParams(
    initializer=tf_keras.initializers.GlorotUniform,
    batch_norm=BatchNormParams(momentum=0.99, epsilon=1.001e-5, center=True, scale=True),
    activation="relu",
)

# Residual blocks in conv2..conv5.
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
FILTERS = (64, 128, 256, 512)


def preprocess(images):
    """Subtracts the channel means from images [..., 3] in 0..255; no scaling."""
    return images - tf.constant(CHANNEL_MEANS, images.dtype)


def color_of(values: Sequence[float]) -> tuple[float, ...]:
    """The color (red, green, blue) that `preprocess` turns into these values."""
    return tuple(value + mean for value, mean in zip(values, CHANNEL_MEANS, strict=True))


def resnet_v1(
    depth: int,
    params: ConvParams,
    depth_multiplier: float = 1.0,
    min_depth: int = 0,
    last_stage: int = 5,
    as_keras: bool = False,
) -> tf_keras.Model:
    """A functional model from images [batch, height, width, 3] to the outputs of conv2..conv5 (strides 4 to 32).

    Its layers are in the order in which TFOD's checkpoints number them; their names are tf_keras.applications'. It ends
    with conv`last_stage`. `as_keras`: with the biases of that module, and its explicit padding of the max pool, too.
    """
    blocks = _Blocks(params, depth_multiplier, min_depth, biased=as_keras)
    images = tf_keras.Input((None, None, 3))
    x = tf_keras.layers.ZeroPadding2D(3, name="conv1_pad")(images)
    x = params.activate("conv1_relu")(blocks.conv_norm(x, 64, 7, 2, "conv1", padding="valid"))
    if as_keras:
        x = tf_keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = tf_keras.layers.MaxPool2D(3, 2, padding="valid" if as_keras else "same", name="pool1_pool")(x)
    outputs = []
    for stage in range(2, last_stage + 1):
        x = blocks.stage(x, stage, depth)
        outputs.append(x)
    return tf_keras.Model(images, outputs, name=f"resnet{depth}_v1")


def resnet_v1_conv5(params: ConvParams) -> tf_keras.Model:
    """conv5, the same at all depths, as a model of its own: conv4's output [batch, h, w, 1024] to 2048 channels."""
    features = tf_keras.Input((None, None, 4 * FILTERS[-2]))
    return tf_keras.Model(features, _Blocks(params).stage(features, 5, 50), name="resnet_v1_conv5")


@dataclass(frozen=True)
class _Blocks:
    """Residual blocks in the order of TFOD's layers."""

    params: ConvParams
    depth_multiplier: float = 1.0
    min_depth: int = 0
    biased: bool = False

    def stage(self, x, stage: int, depth: int):
        """conv2 to conv5 of the network of this depth; the first block projects, and halves all but conv2's maps."""
        for index in range(1, BLOCKS[depth][stage - 2] + 1):
            first = index == 1
            name = f"conv{stage}_block{index}"
            x = self.block(x, FILTERS[stage - 2], 2 if first and stage > 2 else 1, first, name)
        return x

    def block(self, x, filters: int, strides: int, projects: bool, name: str):
        """[batch, h, w, channels] to 4 * filters channels."""
        activate = self.params.activate
        shortcut = self.conv_norm(x, 4 * filters, 1, strides, f"{name}_0") if projects else x
        x = activate(f"{name}_1_relu")(self.conv_norm(x, filters, 1, strides, f"{name}_1"))
        x = activate(f"{name}_2_relu")(self.conv_norm(x, filters, 3, 1, f"{name}_2"))
        x = self.conv_norm(x, 4 * filters, 1, 1, f"{name}_3")
        return activate(f"{name}_out")(tf_keras.layers.Add(name=f"{name}_add")([shortcut, x]))

    def conv_norm(self, x, filters: int, kernel_size: int, strides: int, name: str, **overrides):
        """A convolution, without bias unless `biased`, and its batch norm."""
        width = max(int(filters * self.depth_multiplier), self.min_depth)
        options = {"use_bias": self.biased, **overrides}
        x = self.params.conv(width, kernel_size, strides, name=f"{name}_conv", **options)(x)
        return self.params.norm(name=f"{name}_bn")(x)
