"""The first stage's head of Faster R-CNN: from feature maps to box encodings and objectness of every anchor."""

import tensorflow as tf
import tf_keras

from odtk.layers.conv import ConvParams

NUM_CODES, NUM_COLUMNS = 4, 2


class RegionProposalHead(tf_keras.layers.Layer):
    """A convolution that all levels share, then 1x1 convolutions, which each level has for itself.

    (Ren et al., "Faster R-CNN", 2015.) As in TFOD, ReLU6 follows the shared convolution whatever the parameters'
    activation is, and its batch norm, if there is one, trains in training. `dilation` is the config's atrous rate.
    """

    def __init__(
        self,
        params: ConvParams,
        depth: int,
        kernel_size: int,
        dilation: int,
        anchors_per_location: int,
        num_levels: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.conv = params.conv(depth, kernel_size, dilation_rate=dilation, name="conv")
        self.norm = params.norm(name="norm") if params.batch_norm else None
        boxes, columns = NUM_CODES * anchors_per_location, NUM_COLUMNS * anchors_per_location
        levels = range(num_levels)
        self.box_convs = [params.conv(boxes, 1, use_bias=True, name=f"box_encodings_{i}") for i in levels]
        self.class_convs = [params.conv(columns, 1, use_bias=True, name=f"objectness_{i}") for i in levels]

    def call(self, maps, training=None):
        """Maps [batch, h, w, c] of each level to (features by level, encodings [batch, n, 4], logits [batch, n, 2]).

        The n anchors are in the order level, row, column, anchor; column 0 of the logits is the background. Encodings
        and logits are of the variables' type.
        """
        features = [self._features(x, training) for x in maps]
        boxes = [_flat(conv(x), NUM_CODES) for conv, x in zip(self.box_convs, features, strict=True)]
        logits = [_flat(conv(x), NUM_COLUMNS) for conv, x in zip(self.class_convs, features, strict=True)]
        return features, *(tf.cast(tf.concat(each, axis=1), self.variable_dtype) for each in (boxes, logits))

    def _features(self, x, training):
        x = self.conv(x)
        return tf.nn.relu6(x if self.norm is None else self.norm(x, training=training))


def _flat(x, columns: int):
    """[batch, h, w, anchors * columns] to [batch, h * w * anchors, columns]."""
    height, width, channels = x.shape[1:]
    anchors = -1 if None in (height, width) else height * width * channels // columns
    return tf.reshape(x, [tf.shape(x)[0], anchors, columns])
