"""The second stage of Faster R-CNN: what is computed of each region's features."""

import tensorflow as tf
import tf_keras

from odtk import step_random
from odtk.layers.bias import with_exact_bias
from odtk.layers.conv import ConvParams

NUM_CODES = 4


class RegionHeads(tf_keras.layers.Layer):
    """Means over a region's features, then one layer for its boxes and one for its class (TFOD's MaskRCNNBoxPredictor).

    As in TFOD these layers have Keras's initialization and no regularizer; of `params` only the batch norm is used,
    which then follows each of them. `dropout_rate` None: no dropout.
    """

    def __init__(
        self, params: ConvParams, num_boxes: int, num_columns: int, dropout_rate: float | None = None, **kwargs
    ):
        """`num_boxes`: of a region, one for each class or 1; `num_columns`: of its logits, background included."""
        super().__init__(**kwargs)
        dense = with_exact_bias(tf_keras.layers.Dense)
        self.num_boxes, self.dropout_rate = num_boxes, dropout_rate
        self.box_dense = dense(num_boxes * NUM_CODES, name="box_encodings")
        self.class_dense = dense(num_columns, name="class_logits")
        self.box_norm = params.norm(name="box_norm") if params.batch_norm else None
        self.class_norm = params.norm(name="class_norm") if params.batch_norm else None

    def call(self, features, training=None):
        """Features [regions, h, w, c] to (box encodings [regions, boxes, 4], logits [regions, columns]).

        Both are of the variables' type.
        """
        # Reduced in full precision, as nothing else of a region is left.
        means = tf.reduce_mean(tf.cast(features, self.variable_dtype), axis=[1, 2])
        boxes = self._predict(means, self.box_dense, self.box_norm, training)
        logits = self._predict(means, self.class_dense, self.class_norm, training)
        return tf.reshape(boxes, [-1, self.num_boxes, NUM_CODES]), logits

    def _predict(self, means, dense, norm, training):
        if self.dropout_rate is not None and training:
            means = step_random.dropout(means, self.dropout_rate)
        found = dense(means)
        return tf.cast(found if norm is None else norm(found, training=training), self.variable_dtype)


class DenseFeatures(tf_keras.Model):
    """Two dense layers on each region's crop, with a batch norm after the first (the second stage with a pyramid)."""

    UNITS = 1024

    def __init__(self, params: ConvParams, **kwargs):
        super().__init__(**kwargs)
        dense = with_exact_bias(tf_keras.layers.Dense)
        self.first = dense(self.UNITS, name="first")
        self.norm = params.norm(name="norm") if params.batch_norm else None
        self.second = dense(self.UNITS, name="second")

    def call(self, crops, training=None):
        """Crops [regions, h, w, c] to features [regions, 1, 1, 1024]."""
        x = tf.reshape(crops, [-1, crops.shape[1] * crops.shape[2] * crops.shape[3]])
        x = tf.nn.relu(self.first(x))
        x = x if self.norm is None else self.norm(x, training=training)
        return tf.nn.relu(self.second(x))[:, None, None, :]
