"""EfficientNet backbones B0 to B7 as TFOD builds them, with the classifier's last layers, which only checkpoints use.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019. TFOD takes the classifier
of TensorFlow's model garden and reads the pyramid's maps from layers within.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from odtk import step_random
from odtk.layers.channels import divisible_by_8
from odtk.layers.conv import BatchNormParams, ConvParams

# The means and deviations of ImageNet's pixels, RGB, as fractions of 255.
CHANNEL_MEANS = (0.485, 0.456, 0.406)
CHANNEL_DEVIATIONS = (0.229, 0.224, 0.225)

# Without the paper's factor 0.5: the penalty is WEIGHT_DECAY * sum(kernel ** 2).
WEIGHT_DECAY = 5e-6
# The share of the residuals that training leaves out at the network's end; it grows from 0 with the blocks.
DROP_RATE = 0.2
SQUEEZE_RATIO = 0.25
STEM_FILTERS, TOP_FILTERS, NUM_CLASSES = 32, 1280, 1000


class Stack(NamedTuple):
    """A row of the paper's table 1; `strides` are those of the first block."""

    kernel_size: int
    repeats: int
    filters: int
    expansion: int
    strides: int


STACKS = (
    Stack(3, 1, 16, 1, 1),
    Stack(3, 2, 24, 6, 2),
    Stack(5, 2, 40, 6, 2),
    Stack(3, 3, 80, 6, 2),
    Stack(5, 3, 112, 6, 1),
    Stack(5, 4, 192, 6, 2),
    Stack(3, 1, 320, 6, 1),
)
# Factors of the channels and of the repeats.
SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
}
# The layer whose output is the map of a level (stride 2 ** level). As in TFOD these are B0's last blocks before a
# stride, in larger networks, too, whose stacks go on after them.
LEVEL_MAPS = {
    1: "stack_0_block_0_project_bn",
    2: "stack_1_block_1_add",
    3: "stack_2_block_1_add",
    4: "stack_4_block_2_add",
    5: "stack_6_block_0_project_bn",
}


def preprocess(images):
    """Pixel values 0..255 [..., 3] to deviations from ImageNet's mean."""
    means, deviations = (tf.constant(values, images.dtype) for values in (CHANNEL_MEANS, CHANNEL_DEVIATIONS))
    return (images / 255.0 - means) / deviations


def color_of(values: Sequence[float]) -> tuple[float, ...]:
    """The color (red, green, blue) that `preprocess` maps to these values."""
    scales = zip(values, CHANNEL_MEANS, CHANNEL_DEVIATIONS, strict=True)
    return tuple(255.0 * (value * deviation + mean) for value, mean, deviation in scales)


class EfficientNet(tf_keras.Model):
    """The part of a classifier that gives the maps of some levels.

    `maps` is that part as a functional model, `classifier` the whole as another one of the same layers. Those that
    `maps` does not have are never run, but have variables, which TFOD's checkpoints hold and its penalty counts. Both
    have their layers in the order in which TFOD's checkpoints number them.
    """

    def __init__(self, version: str, levels: Iterable[int], weight_decay: float = WEIGHT_DECAY, **kwargs):
        """`version`: of SCALES; `levels`: those of LEVEL_MAPS to give, finest first."""
        super().__init__(**kwargs)
        classifier = _classifier(version, weight_decay)
        outputs = [classifier.get_layer(LEVEL_MAPS[level]).output for level in levels]
        self.maps = tf_keras.Model(classifier.inputs, outputs, name=f"efficientnet_{version}")
        self.classifier = classifier
        used = {id(layer) for layer in self.maps.layers}
        self.unused = [layer for layer in classifier.layers if layer.weights and id(layer) not in used]
        for layer in self.unused:
            # The others have no gradient.
            layer.trainable = bool(layer.losses)

    def call(self, images, training=None):
        """Images [batch, height, width, 3] to the maps [batch, height / 2 ** level, width / 2 ** level, channels]."""
        return self.maps(images, training=training)


class StochasticDepth(tf_keras.layers.Layer):
    """In training 0 instead of a fraction `rate` of a batch's images; the others are scaled up to compensate.

    Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x, training=None):
        """[batch, height, width, channels] to the same shape."""
        return step_random.dropout(x, self.rate, [tf.shape(x)[0], 1, 1, 1]) if training else x


def _classifier(version: str, weight_decay: float) -> tf_keras.Model:
    """From images [batch, height, width, 3] to 1000 probabilities [batch, 1000]."""
    width, depth = SCALES[version]
    make = _Blocks(weight_decay)
    stacks = [stack._replace(repeats=math.ceil(depth * stack.repeats)) for stack in STACKS]
    num_blocks, count = sum(stack.repeats for stack in stacks), 0
    images = tf_keras.Input((None, None, 3))
    x = make.conv(images, divisible_by_8(STEM_FILTERS * width), 3, 2, "stem")
    for stack_index, stack in enumerate(stacks):
        for index in range(stack.repeats):
            filters, strides = divisible_by_8(stack.filters * width), stack.strides if not index else 1
            block = stack._replace(filters=filters, strides=strides)
            x = make.block(x, block, DROP_RATE * count / num_blocks, f"stack_{stack_index}_block_{index}")
            count += 1
    x = make.conv(x, divisible_by_8(TOP_FILTERS * width), 1, 1, "top")
    x = tf_keras.layers.GlobalAveragePooling2D(name="top_pool")(x)
    # TFOD's has a dropout here, and a conversion of the probabilities.
    x = tf_keras.layers.Activation("linear", name="top_dropout")(x)
    x = make.dense(NUM_CLASSES, "logits")(x)
    x = tf_keras.layers.Activation("softmax", name="probs")(x)
    return tf_keras.Model(images, tf_keras.layers.Activation("linear", name="cast")(x), name="classifier")


class _Blocks:
    """Makes the layers of a functional EfficientNet, with TFOD's hyperparameters, and applies them."""

    def __init__(self, weight_decay: float):
        self.decay = tf_keras.regularizers.L2(weight_decay)
        self.params = ConvParams(
            initializer=lambda: tf_keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal"),
            regularizer=self.decay,
            batch_norm=BatchNormParams(momentum=0.99, epsilon=1e-3, center=True, scale=True),
            activation="swish",
        )

    def conv(self, x, filters: int, kernel_size: int, strides: int, name: str, is_activated: bool = True):
        """A convolution, its batch norm, and an activation."""
        x = self.params.conv(filters, kernel_size, strides, name=f"{name}_conv", use_bias=False)(x)
        x = self.params.norm(f"{name}_bn")(x)
        return self.params.activate(f"{name}_activation")(x) if is_activated else x

    def block(self, x, block: Stack, drop_rate: float, name: str):
        """A mobile inverted bottleneck with squeeze and excitation."""
        inputs, channels = x, x.shape[-1]
        if block.expansion != 1:
            x = self.conv(x, channels * block.expansion, 1, 1, f"{name}_expand")
        x = self._depthwise(x, block, f"{name}_depthwise")
        x = self._excited(x, max(1, int(channels * SQUEEZE_RATIO)), f"{name}_se")
        x = self.conv(x, block.filters, 1, 1, f"{name}_project", is_activated=False)
        # Changes nothing, and is counted by TFOD's checkpoints.
        x = tf_keras.layers.Activation("linear", name=f"{name}_id")(x)
        if block.strides == 1 and channels == block.filters:
            x = StochasticDepth(drop_rate, name=f"{name}_drop")(x) if drop_rate else x
            x = tf_keras.layers.Add(name=f"{name}_add")([x, inputs])
        return x

    def _depthwise(self, x, block: Stack, name: str):
        conv = self.params.depthwise_conv(
            block.kernel_size, block.strides, name=f"{name}_conv", use_bias=False, depthwise_regularizer=None
        )
        return self.params.activate(f"{name}_activation")(self.params.norm(f"{name}_bn")(conv(x)))

    def _excited(self, x, squeezed: int, name: str):
        """x times a factor for each channel, which a small network computes from the channels' means."""
        options = {"use_bias": True, "bias_regularizer": self.decay}
        channels = x.shape[-1]
        factors = tf_keras.layers.GlobalAveragePooling2D(name=f"{name}_squeeze")(x)
        factors = tf_keras.layers.Reshape((1, 1, channels), name=f"{name}_reshape")(factors)
        factors = self.params.conv(squeezed, 1, name=f"{name}_reduce_conv", **options)(factors)
        factors = self.params.activate(f"{name}_reduce_activation")(factors)
        factors = self.params.conv(channels, 1, name=f"{name}_expand_conv", **options)(factors)
        factors = tf_keras.layers.Activation("sigmoid", name=f"{name}_expand_activation")(factors)
        return tf_keras.layers.Multiply(name=f"{name}_excite")([x, factors])

    def dense(self, units: int, name: str) -> tf_keras.layers.Layer:
        """The classifier's last layer."""
        initializer = tf_keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")
        return tf_keras.layers.Dense(
            units, None, True, initializer, kernel_regularizer=self.decay, bias_regularizer=self.decay, name=name
        )
