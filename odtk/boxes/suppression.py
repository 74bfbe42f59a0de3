"""Non-maximum suppression per class, and what is left of an image's predictions after it."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from odtk.boxes.geometry import area, clip


@dataclass(frozen=True)
class SuppressionParams:
    """TFOD's `batch_non_max_suppression`. A score must be above `score_threshold`; `soft_sigma` 0 is hard NMS."""

    score_threshold: float = 0.0
    iou_threshold: float = 0.6
    max_per_class: int = 100
    max_total: int = 100
    soft_sigma: float = 0.0
    change_coordinate_frame: bool = True


class Kept(NamedTuple):
    """What survives, best first, zero-padded to max_total.

    boxes float32 [batch, max_total, 4]; classes float32 and scores float32 [batch, max_total]; anchors int32
    [batch, max_total], each one's row among the candidates; count int32 [batch].
    """

    boxes: tf.Tensor
    classes: tf.Tensor
    scores: tf.Tensor
    anchors: tf.Tensor
    count: tf.Tensor


def multiclass_suppression(boxes, scores, window, params: SuppressionParams) -> Kept:
    """NMS class by class, in TFOD's order of operations.

    boxes: yxyx [batch, anchors, 4]; scores [batch, anchors, classes]; window: yxyx [batch, 4], the part of the frame
    that the true image takes. Suppression works on unclipped boxes; the classes are pooled and sorted, *then* clipped
    to the window and rid of empty boxes, and the best `max_total` stay, relative to the window where
    `change_coordinate_frame`.
    """
    index, score = _suppress_each(boxes, scores, params)  # [batch, classes, per class]
    num_classes, per_class = scores.shape[-1], tf.shape(index)[-1]
    batch = tf.shape(boxes)[0]
    index, score = (tf.reshape(x, [batch, num_classes * per_class]) for x in (index, score))
    candidates = clip(tf.gather(boxes, index, batch_dims=1), window)
    # Empty candidates carry -inf, as do the slots that suppression left unfilled.
    score = tf.where(area(candidates) > 0, score, -float("inf"))
    score, index, candidates = _pad(score, index, candidates, params.max_total)
    score, slot = tf.math.top_k(score, k=params.max_total)  # equal scores keep the order class, then rank
    filled = score > -float("inf")
    kept = tf.gather(candidates, slot, batch_dims=1)
    if params.change_coordinate_frame:
        kept = _relative_to(kept, window)
    return Kept(
        boxes=tf.where(filled[..., None], kept, 0.0),
        classes=tf.where(filled, tf.cast(slot // per_class, tf.float32), 0.0),
        scores=tf.where(filled, score, 0.0),
        anchors=tf.where(filled, tf.gather(index, slot, batch_dims=1), 0),
        count=tf.reduce_sum(tf.cast(filled, tf.int32), axis=-1),
    )


def _suppress_each(boxes, scores, params: SuppressionParams):
    """Candidate rows int32 and scores (-inf where unfilled), each [batch, classes, per class]."""
    per_class = tf.minimum(params.max_per_class, tf.shape(boxes)[1])

    def one_class(image_boxes, class_scores):
        index, score, count = tf.raw_ops.NonMaxSuppressionV5(
            boxes=image_boxes,
            scores=class_scores,
            max_output_size=per_class,
            iou_threshold=params.iou_threshold,
            score_threshold=params.score_threshold,
            soft_nms_sigma=params.soft_sigma,
            pad_to_max_output_size=True,
        )
        return index, tf.where(tf.range(per_class) < count, score, -float("inf"))

    def one_image(inputs):
        image_boxes, image_scores = inputs
        return tf.map_fn(
            lambda class_scores: one_class(image_boxes, class_scores),
            tf.transpose(image_scores),
            fn_output_signature=(tf.int32, tf.float32),
            parallel_iterations=32,
        )

    return tf.map_fn(one_image, (boxes, scores), fn_output_signature=(tf.int32, tf.float32), parallel_iterations=8)


def _pad(score, index, candidates, least: int):
    """Pads the second axis so that at least `least` candidates stand there, the new ones at -inf."""
    missing = tf.maximum(0, least - tf.shape(score)[1])
    score = tf.pad(score, [[0, 0], [0, missing]], constant_values=-float("inf"))
    return score, tf.pad(index, [[0, 0], [0, missing]]), tf.pad(candidates, [[0, 0], [0, missing], [0, 0]])


def _relative_to(boxes, window):
    top, left, bottom, right = tf.unstack(window[:, None, :], axis=-1)
    origin = tf.stack([top, left, top, left], axis=-1)
    size = tf.stack([bottom - top, right - left, bottom - top, right - left], axis=-1)
    return (boxes - origin) / size
