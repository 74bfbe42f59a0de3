"""ResNet v1 backbones as TFOD builds them: stride on a block's first 1x1 convolution, no convolution bias.

He et al., "Deep Residual Learning for Image Recognition", 2015. It differs from tf_keras.applications in the bias, in
the SAME max pool of the stem, and in hyperparameters that a config may override; CenterNet's is tf_keras.applications'.
"""

from collections.abc import Sequence

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
    depth: int, params: ConvParams, depth_multiplier: float = 1.0, min_depth: int = 0, as_keras: bool = False
) -> tf_keras.Model:
    """A functional model from images [batch, height, width, 3] to the outputs of conv2..conv5 (strides 4 to 32).

    Its layers are in the order in which TFOD's checkpoints number them; their names are tf_keras.applications'.
    `as_keras`: its biases and its explicit padding of the max pool, too.
    """

    def width(filters: int) -> int:
        return max(int(filters * depth_multiplier), min_depth)

    def conv_norm(x, filters, kernel_size, strides, name, **overrides):
        x = params.conv(width(filters), kernel_size, strides, name=f"{name}_conv", use_bias=as_keras, **overrides)(x)
        return params.norm(name=f"{name}_bn")(x)

    def block(x, filters, strides, projects, name):
        shortcut = conv_norm(x, 4 * filters, 1, strides, f"{name}_0") if projects else x
        x = params.activate(f"{name}_1_relu")(conv_norm(x, filters, 1, strides, f"{name}_1"))
        x = params.activate(f"{name}_2_relu")(conv_norm(x, filters, 3, 1, f"{name}_2"))
        x = conv_norm(x, 4 * filters, 1, 1, f"{name}_3")
        return params.activate(f"{name}_out")(tf_keras.layers.Add(name=f"{name}_add")([shortcut, x]))

    images = tf_keras.Input((None, None, 3))
    x = tf_keras.layers.ZeroPadding2D(3, name="conv1_pad")(images)
    x = params.activate("conv1_relu")(conv_norm(x, 64, 7, 2, "conv1", padding="valid"))
    if as_keras:
        x = tf_keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = tf_keras.layers.MaxPool2D(3, 2, padding="valid" if as_keras else "same", name="pool1_pool")(x)
    outputs = []
    for stage, (count, filters) in enumerate(zip(BLOCKS[depth], FILTERS, strict=True), start=2):
        for index in range(1, count + 1):
            first = index == 1
            x = block(x, filters, 2 if first and stage > 2 else 1, first, f"conv{stage}_block{index}")
        outputs.append(x)
    return tf_keras.Model(images, outputs, name=f"resnet{depth}_v1")
