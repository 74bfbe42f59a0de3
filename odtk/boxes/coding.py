"""Box coders: encode a box relative to its anchor, and decode it again."""

from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from odtk.boxes.geometry import cyxhw_to_yxyx, yxyx_to_cyxhw

# TFOD's value, which keeps log and division finite for empty boxes.
EPSILON = 1e-8


@dataclass(frozen=True)
class FasterRcnnCoder:
    """(ty, tx, th, tw) of Ren et al., "Faster R-CNN", 2015, times scale factors."""

    code_size: ClassVar[int] = 4
    y_scale: float = 10.0
    x_scale: float = 10.0
    height_scale: float = 5.0
    width_scale: float = 5.0

    def encode(self, boxes, anchors):
        """Boxes and anchors, yxyx [..., 4] alike or broadcastable, to encodings [..., 4]."""
        anchor_cy, anchor_cx, anchor_height, anchor_width = yxyx_to_cyxhw(anchors)
        cy, cx, height, width = yxyx_to_cyxhw(boxes)
        anchor_height, anchor_width = anchor_height + EPSILON, anchor_width + EPSILON
        ty = (cy - anchor_cy) / anchor_height * self.y_scale
        tx = (cx - anchor_cx) / anchor_width * self.x_scale
        th = tf.math.log((height + EPSILON) / anchor_height) * self.height_scale
        tw = tf.math.log((width + EPSILON) / anchor_width) * self.width_scale
        return tf.stack([ty, tx, th, tw], axis=-1)

    def decode(self, encodings, anchors):
        """Encodings [..., 4] and anchors [..., 4] to boxes yxyx [..., 4]; nothing is clipped."""
        anchor_cy, anchor_cx, anchor_height, anchor_width = yxyx_to_cyxhw(anchors)
        ty, tx, th, tw = tf.unstack(encodings, axis=-1)
        return cyxhw_to_yxyx(
            ty / self.y_scale * anchor_height + anchor_cy,
            tx / self.x_scale * anchor_width + anchor_cx,
            tf.exp(th / self.height_scale) * anchor_height,
            tf.exp(tw / self.width_scale) * anchor_width,
        )


@dataclass(frozen=True)
class MeanStddevCoder:
    """Corner offsets from the anchor, divided by `stddev` (TFOD's `mean_stddev_box_coder`)."""

    code_size: ClassVar[int] = 4
    stddev: float = 0.01

    def encode(self, boxes, anchors):
        """Boxes and anchors, yxyx [..., 4], to encodings [..., 4]."""
        return (boxes - anchors) / self.stddev

    def decode(self, encodings, anchors):
        """Encodings [..., 4] and anchors [..., 4] to boxes yxyx [..., 4]."""
        return encodings * self.stddev + anchors


@dataclass(frozen=True)
class SquareCoder:
    """(ty, tx, tl) relative to the square of the anchor's area, times scale factors (TFOD's `square_box_coder`).

    A box is encoded by its centre and the square root of its area, so decoded boxes are always squares.
    """

    code_size: ClassVar[int] = 3
    y_scale: float = 10.0
    x_scale: float = 10.0
    length_scale: float = 5.0

    def encode(self, boxes, anchors):
        """Boxes and anchors, yxyx [..., 4], to encodings [..., 3]."""
        anchor_cy, anchor_cx, anchor_height, anchor_width = yxyx_to_cyxhw(anchors)
        cy, cx, height, width = yxyx_to_cyxhw(boxes)
        anchor_length = tf.sqrt(anchor_height * anchor_width) + EPSILON
        ty = (cy - anchor_cy) / anchor_length * self.y_scale
        tx = (cx - anchor_cx) / anchor_length * self.x_scale
        length = tf.sqrt(height * width) + EPSILON
        return tf.stack([ty, tx, tf.math.log(length / anchor_length) * self.length_scale], axis=-1)

    def decode(self, encodings, anchors):
        """Encodings [..., 3] and anchors [..., 4] to boxes yxyx [..., 4]; nothing is clipped."""
        anchor_cy, anchor_cx, anchor_height, anchor_width = yxyx_to_cyxhw(anchors)
        anchor_length = tf.sqrt(anchor_height * anchor_width)
        ty, tx, tl = tf.unstack(encodings, axis=-1)
        length = tf.exp(tl / self.length_scale) * anchor_length
        cy, cx = ty / self.y_scale * anchor_length + anchor_cy, tx / self.x_scale * anchor_length + anchor_cx
        return cyxhw_to_yxyx(cy, cx, length, length)
