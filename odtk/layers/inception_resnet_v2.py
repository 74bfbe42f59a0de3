"""Inception ResNet v2 as TFOD builds it for Faster R-CNN, in two parts: up to block17_20, and the rest.

Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", 2016. Layer by
layer it is tf_keras.applications' network. Padding differs: it is SAME everywhere, so that maps are aligned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tf_keras

from odtk.layers.conv import BatchNormParams, ConvParams

# TFOD's values, which no config overrides. Its Faster R-CNN has a weight decay of 0.
BACKBONE_DEFAULTS = ConvParams(
    initializer=tf_keras.initializers.GlorotUniform,
    batch_norm=BatchNormParams(momentum=0.9997, epsilon=1e-3, center=True, scale=False),
    activation="relu",
)

# How often each kind of residual block is repeated.
BLOCKS = {"block35": 10, "block17": 20, "block8": 10}
# What a block adds is scaled by this.
SCALES = {"block35": 0.17, "block17": 0.1, "block8": 0.2}

# Branches of blocks: the filters and kernel size of each convolution.
Branches = Sequence[Sequence[tuple[int, int | tuple[int, int]]]]
BRANCHES: dict[str, Branches] = {
    "block35": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    "block17": (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))),
    "block8": (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))),
    "mixed_5b": (((96, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3))),
    "mixed_6a": (((384, 3),), ((256, 1), (256, 3), (384, 3))),
    "mixed_7a": (((256, 1), (384, 3)), ((256, 1), (288, 3)), ((256, 1), (288, 3), (320, 3))),
}
# Channels of the first part's output.
CHANNELS = 1088


def preprocess(images):
    """Pixel values 0..255 to -1..1."""
    return (2.0 / 255.0) * images - 1.0


def inception_resnet_v2(params: ConvParams = BACKBONE_DEFAULTS, stride: int = 16) -> tf_keras.Model:
    """A functional model from images [batch, height, width, 3] to the outputs of the blocks 35 and 17.

    The latter has `stride`, 16 or 8 (with dilated convolutions instead of the last halving), the former 8. Its layers
    are in the order in which TFOD's checkpoints number them.
    """
    layers, images = _Layers(params), tf_keras.Input((None, None, 3))
    finest = layers.repeated(layers.stem(images), "block35")
    x = layers.reduction(finest, "mixed_6a", strides=stride // 8)
    x = layers.repeated(x, "block17", dilation=16 // stride)
    return tf_keras.Model(images, [finest, x], name="inception_resnet_v2")


def inception_resnet_v2_top(params: ConvParams = BACKBONE_DEFAULTS) -> tf_keras.Model:
    """The rest as a model of its own: [batch, h, w, 1088] to [batch, ceil(h / 2), ceil(w / 2), 1536]."""
    layers, features = _Layers(params), tf_keras.Input((None, None, CHANNELS))
    x = layers.repeated(layers.reduction(features, "mixed_7a", strides=2), "block8", has_bare_end=True)
    return tf_keras.Model(features, layers.conv(x, 1536, 1, "conv_7b"), name="inception_resnet_v2_top")


class ScaledSum(tf_keras.layers.Layer):
    """The first of two inputs plus the second one times `scale`."""

    def __init__(self, scale: float, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        """Two tensors of one shape to their sum."""
        shortcut, residual = inputs
        return shortcut + residual * self.scale


@dataclass(frozen=True)
class _Layers:
    """Makes the layers and applies them, in the order of tf_keras.applications, on which TFOD's numbers rest."""

    params: ConvParams

    def stem(self, images):
        """[batch, h, w, 3] to mixed_5b, [batch, ceil(h / 8), ceil(w / 8), 320]."""
        x = self.conv(images, 32, 3, "conv_1a", strides=2)
        x = self.conv(x, 32, 3, "conv_2a")
        x = self.conv(x, 64, 3, "conv_2b")
        x = _max_pool(x, 2, "pool_3a")
        x = self.conv(x, 80, 1, "conv_3b")
        x = self.conv(x, 192, 3, "conv_4a")
        x = _max_pool(x, 2, "pool_5a")
        branches = self.branches(x, "mixed_5b", BRANCHES["mixed_5b"])
        pooled = tf_keras.layers.AveragePooling2D(3, 1, padding="same", name="mixed_5b_pool")(x)
        return _concatenated([*branches, self.conv(pooled, 64, 1, "mixed_5b_branch3_0")], "mixed_5b")

    def reduction(self, x, name: str, strides: int):
        """Convolutions and a max pool of these strides side by side."""
        branches = self.branches(x, name, BRANCHES[name], strides)
        return _concatenated([*branches, _max_pool(x, strides, f"{name}_pool")], name)

    def repeated(self, x, kind: str, dilation: int = 1, has_bare_end: bool = False):
        """The blocks of a kind; if it `has_bare_end`, the last one is neither scaled nor activated."""
        count = BLOCKS[kind]
        for index in range(1, count + 1):
            is_bare = has_bare_end and index == count
            x = self.block(x, f"{kind}_{index}", kind, 1.0 if is_bare else SCALES[kind], dilation)
            if not is_bare:
                x = self.params.activate(f"{kind}_{index}_ac")(x)
        return x

    def block(self, x, name: str, kind: str, scale: float, dilation: int):
        """A residual block, before its activation: [batch, h, w, channels] to the same shape."""
        branches = self.branches(x, name, BRANCHES[kind], dilation=dilation)
        mixed = _concatenated(branches, f"{name}_mixed")
        residual = self.params.conv(x.shape[-1], 1, use_bias=True, name=f"{name}_conv")(mixed)
        return ScaledSum(scale, name=name)([x, residual])

    def branches(self, x, name: str, branches: Branches, strides: int = 1, dilation: int = 1) -> list:
        """The output of each branch, the last convolution of which has the strides."""
        return [self.branch(x, f"{name}_branch{at}", each, strides, dilation) for at, each in enumerate(branches)]

    def branch(self, x, name: str, convs, strides: int, dilation: int):
        """Convolutions one after the other; those of a single pixel are not dilated, which changes nothing."""
        for index, (filters, kernel_size) in enumerate(convs):
            options = {} if kernel_size == 1 else {"dilation_rate": dilation}
            is_last = index == len(convs) - 1
            x = self.conv(x, filters, kernel_size, f"{name}_{index}", strides if is_last else 1, **options)
        return x

    def conv(self, x, filters: int, kernel_size, name: str, strides: int = 1, **options):
        """A convolution without bias, batch norm, activation."""
        x = self.params.conv(filters, kernel_size, strides, name=name, **options)(x)
        return self.params.activate(f"{name}_ac")(self.params.norm(f"{name}_bn")(x))


def _max_pool(x, strides: int, name: str):
    return tf_keras.layers.MaxPool2D(3, strides, padding="same", name=name)(x)


def _concatenated(branches: list, name: str):
    return tf_keras.layers.Concatenate(name=name)(branches)
