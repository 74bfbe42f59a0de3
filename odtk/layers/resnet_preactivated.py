"""ResNets with the activation before the convolution, as TFOD's CenterNet builds them: ResNet v2, and its ResNet-18/34.

He et al., "Identity Mappings in Deep Residual Networks", 2016. ResNet v2 is tf_keras.applications'. What TFOD calls
resnet_v1_18 and resnet_v1_34 is of this kind, too. In both a stage shrinks its map in its last block, not in its first.
"""

import tf_keras

from odtk.layers.backbone import Backbone
from odtk.layers.resnet_v1 import FILTERS, KERAS_DEFAULTS

# Residual blocks in conv2..conv5.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
BASIC = (18, 34)

_PARAMS = KERAS_DEFAULTS


def preactivated_resnet(depth: int) -> Backbone:
    """Images [batch, height, width, 3] to maps, finest first.

    18 and 34: the outputs of conv2..conv5 (strides 4 to 32); 50 and 101: that of conv5 alone (stride 32). The batch
    norm behind it, which TFOD's networks do not use, is among the unused layers.
    """
    is_basic = depth in BASIC
    # In the basic networks conv2 keeps its map, in the others conv5.
    strides = (1, 2, 2, 2) if is_basic else (2, 2, 2, 1)
    block = _basic_block if is_basic else _bottleneck
    images = tf_keras.Input((None, None, 3))
    x, outputs = _stem(images), []
    for stage, (count, filters, stride) in enumerate(zip(BLOCKS[depth], FILTERS, strides, strict=True), start=2):
        for index in range(1, count + 1):
            x = block(x, filters, stride if index == count else 1, index == 1, f"conv{stage}_block{index}")
        outputs.append(x)
    norm, activation = _PARAMS.norm("post_bn"), _PARAMS.activate("post_relu")
    activation(norm(x))
    norm.trainable = False
    kind = "v1" if is_basic else "v2"
    return Backbone(
        tf_keras.Model(images, outputs if is_basic else outputs[-1:], name=f"resnet{depth}_{kind}"), (norm, activation)
    )


def _stem(images):
    x = tf_keras.layers.ZeroPadding2D(3, name="conv1_pad")(images)
    x = _PARAMS.conv(64, 7, 2, name="conv1_conv", use_bias=True, padding="valid")(x)
    x = tf_keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return tf_keras.layers.MaxPool2D(3, 2, name="pool1_pool")(x)


def _basic_block(x, filters: int, stride: int, projects: bool, name: str):
    """Two 3x3 convolutions, each followed by a batch norm and an activation."""
    activated = _normed(x, f"{name}_preact")
    shortcut = _shortcut(x, activated, filters, stride, projects, name)
    x = _normed(_padded_conv(activated, filters, 1, f"{name}_1"), f"{name}_1")
    x = _normed(_padded_conv(x, filters, stride, f"{name}_2"), f"{name}_2")
    return tf_keras.layers.Add(name=f"{name}_out")([shortcut, x])


def _bottleneck(x, filters: int, stride: int, projects: bool, name: str):
    """Convolutions 1x1, 3x3 and 1x1, to four times as many filters."""
    activated = _normed(x, f"{name}_preact")
    shortcut = _shortcut(x, activated, 4 * filters, stride, projects, name)
    x = _PARAMS.conv(filters, 1, name=f"{name}_1_conv", use_bias=False)(activated)
    x = _padded_conv(_normed(x, f"{name}_1"), filters, stride, f"{name}_2")
    x = _PARAMS.conv(4 * filters, 1, name=f"{name}_3_conv", use_bias=True)(_normed(x, f"{name}_2"))
    return tf_keras.layers.Add(name=f"{name}_out")([shortcut, x])


def _normed(x, name: str):
    return _PARAMS.activate(f"{name}_relu")(_PARAMS.norm(f"{name}_bn")(x))


def _padded_conv(x, filters: int, stride: int, name: str):
    x = tf_keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return _PARAMS.conv(filters, 3, stride, name=f"{name}_conv", use_bias=False, padding="valid")(x)


def _shortcut(x, activated, filters: int, stride: int, projects: bool, name: str):
    if projects:
        return _PARAMS.conv(filters, 1, name=f"{name}_0_conv", use_bias=True)(activated)
    return tf_keras.layers.MaxPool2D(1, stride, name=f"{name}_0_pool")(x) if stride > 1 else x
