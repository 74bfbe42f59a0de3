"""Training targets of a batch of images: the values that each anchor should predict, and their weights."""

from typing import NamedTuple

import tensorflow as tf

from odtk import static_shapes
from odtk.boxes.matching import NOTHING, UNMATCHED

BACKGROUND = -1


class Targets(NamedTuple):
    """Targets of every anchor of every image.

    match int32 [batch, anchors]: row of the groundtruth, UNMATCHED or IGNORED; classes int32 [batch, anchors], 0-based,
    BACKGROUND for none; class_weights and box_weights float32 [batch, anchors], the former also [batch, anchors,
    columns]; box_encodings float32 [batch, anchors, 4].
    """

    match: tf.Tensor
    classes: tf.Tensor
    class_weights: tf.Tensor
    box_encodings: tf.Tensor
    box_weights: tf.Tensor


def trim(boxes, classes, weights, num_boxes):
    """Removes padding that no image of the batch needs: [batch, n, ...] to [batch, max(num_boxes), ...].

    It stays where shapes must be static; as it matches nothing, targets are the same.
    """
    if static_shapes.are_needed():
        return boxes, classes, weights
    most = tf.reduce_max(num_boxes)
    return boxes[:, :most], classes[:, :most], weights[:, :most]


def assign(
    boxes, classes, weights, num_boxes, anchors, similarity, match, encode, unmatched_weight: float = 1.0
) -> Targets:
    """Targets from groundtruth boxes yxyx [batch, n, 4], classes int32 [batch, n], weights float32 [batch, n].

    num_boxes: int32 [batch], the number of valid rows per image; the rest is padding and matches nothing.
    anchors: yxyx [anchors, 4]; `similarity(boxes, anchors)` returns [batch, n, anchors]; `match(similarity, valid)`
    returns int32 [batch, anchors]; `encode(boxes, anchors)` returns box encodings. A matched anchor has the weight of
    its groundtruth box, an unmatched one `unmatched_weight` for classification and 0 for localization, an ignored one 0
    for both. (TFOD's TargetAssigner, for a whole batch.)
    """
    real = tf.sequence_mask(num_boxes, tf.shape(boxes)[1])
    # An image without boxes has the same result with and without padding.
    matched_rows = match(tf.where(real[..., None], similarity(boxes, anchors), NOTHING), real & (weights > 0))
    matched = matched_rows >= 0
    # Row 0 of the padded groundtruth is for UNMATCHED and IGNORED.
    rows = tf.maximum(matched_rows + 1, 0)
    matched_boxes = tf.gather(tf.pad(boxes, [[0, 0], [1, 0], [0, 0]]), rows, batch_dims=1)
    matched_classes = tf.gather(tf.pad(classes, [[0, 0], [1, 0]], constant_values=BACKGROUND), rows, batch_dims=1)
    matched_weights = tf.gather(tf.pad(weights, [[0, 0], [1, 0]]), rows, batch_dims=1)
    encodings = tf.where(matched[..., None], encode(matched_boxes, anchors), 0.0)
    class_weights = tf.where(matched_rows == UNMATCHED, unmatched_weight, matched_weights)
    return Targets(matched_rows, matched_classes, class_weights, encodings, matched_weights)
