"""Non-maximum suppression per class, and the remaining detections of an image."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import tensorflow as tf

from odtk import onnx_operations
from odtk.boxes.geometry import area, clip
from odtk.boxes.onnx_suppression import best_places
from odtk.boxes.rows import take_rows

# The rank of the anchor, in units of max_total, whose score is the floor in the first and the second try.
FLOOR_RANKS = (8, 64)


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
    """The remaining detections, best first, zero-padded to max_total.

    boxes float32 [batch, max_total, 4]; classes float32 and scores float32 [batch, max_total]; anchors int32
    [batch, max_total], the row of each among the candidates; count int32 [batch].
    """

    boxes: tf.Tensor
    classes: tf.Tensor
    scores: tf.Tensor
    anchors: tf.Tensor
    count: tf.Tensor


def multiclass_suppression(boxes, scores, window, params: SuppressionParams) -> Kept:
    """NMS class by class, in TFOD's order of operations.

    boxes: yxyx [batch, anchors, 4], or [batch, anchors, classes, 4] where each class has its own; scores [batch,
    anchors, classes], -inf for what is no candidate; window: yxyx [batch, 4], the part of the frame with the true
    image. Suppression works on unclipped boxes; the detections of all classes are merged and sorted, *then* clipped to
    the window, empty boxes are removed, and the best `max_total` are kept, relative to the window if
    `change_coordinate_frame`.

    Parts at computed places are gathered, as OpenVINO (2026.4) cannot run slices at them whose shape is known. (See
    `take_rows`, too.)

    Only the best anchors are considered first, those with a score above a floor. Whether a box is suppressed depends
    only on higher scores of its class, so the detections above the floor are the same as without one; the floor is
    lowered if there are fewer than `max_total`. Of many equal scores none is above its floor: tries at such floors are
    left out.
    """
    if onnx_operations.are_needed():
        return _suppress_by_one_operation(boxes, scores, window, params)
    best = _best_anchors(scores, params)
    batch = boxes.shape[0] or tf.shape(boxes)[0]  # take_rows asks whether it is known to be 1
    nothing = Kept(
        boxes=tf.zeros([batch, params.max_total, 4]),
        classes=tf.zeros([batch, params.max_total]),
        scores=tf.zeros([batch, params.max_total]),
        anchors=tf.zeros([batch, params.max_total], tf.int32),
        count=tf.zeros([batch], tf.int32),
    )

    first = best.first_try(params)

    def unsettled(tries, kept):
        floor = tf.gather(best.floors, tf.maximum(tries - 1, 0))
        settled = (kept.count == params.max_total) | (floor <= params.score_threshold)
        return (tries == first) | ~tf.reduce_all(settled)

    def suppress_at(tries, _):
        rows = best.rows_above(tries)
        best_boxes, best_scores = (take_rows(part, rows) for part in (boxes, scores))
        # TensorFlow has this suppression for CPUs alone. All of it is placed there, so that a GPU hands the candidates
        # over once, and not for each image and class.
        with tf.device("CPU:0"):
            kept = _suppress_above(tf.gather(best.floors, tries), best_boxes, best_scores, window, params)
        anchors = take_rows(rows, kept.anchors)
        is_kept = tf.sequence_mask(kept.count, params.max_total)
        return tries + 1, kept._replace(anchors=tf.where(is_kept, anchors, 0))

    return tf.while_loop(unsettled, suppress_at, (first, nothing))[1]


def _suppress_by_one_operation(boxes, scores, window, params: SuppressionParams) -> Kept:
    """`multiclass_suppression` as ONNX has it, see odtk.boxes.onnx_suppression."""
    # [batch, classes or 1, n, 4]
    boxes = tf.transpose(boxes, [0, 2, 1, 3]) if len(boxes.shape) == 4 else boxes[:, None]
    clipped = clip(boxes, window[:, None])
    score, place = best_places(boxes, tf.transpose(scores, [0, 2, 1]), area(clipped) <= 0, params)
    num_anchors = tf.shape(scores)[1]
    batch = boxes.shape[0] or tf.shape(boxes)[0]  # take_rows asks whether it is known to be 1
    place = tf.where(score > -float("inf"), place, 0)
    row = place if boxes.shape[1] > 1 else place % num_anchors
    kept = take_rows(tf.reshape(clipped, [batch, -1, 4]), row)
    return _kept(kept, place // num_anchors, place % num_anchors, score, window, params)


def class_agnostic_suppression(boxes, scores, window, params: SuppressionParams) -> Kept:
    """NMS among all boxes at once, each with its best class: shapes and order of operations as above.

    `max_per_class` is not used, as in TFOD.
    """
    best = tf.reduce_max(scores, axis=-1, keepdims=True)
    if len(boxes.shape) == 4:
        boxes = tf.gather(boxes, tf.argmax(scores, axis=-1), batch_dims=2)
    kept = multiclass_suppression(boxes, best, window, replace(params, max_per_class=params.max_total))
    classes = tf.gather(tf.argmax(scores, axis=-1, output_type=tf.int32), kept.anchors, batch_dims=1)
    filled = tf.sequence_mask(kept.count, params.max_total)
    return kept._replace(classes=tf.where(filled, tf.cast(classes, tf.float32), 0.0))


class _BestAnchors(NamedTuple):
    """The anchors by the score of their best class, for each try."""

    order: tf.Tensor
    """int32 [batch, k], the rows of the best, in descending order of their scores"""
    counts: tf.Tensor
    """int32 [tries], how many of them can have a score above the floor"""
    floors: tf.Tensor
    """float32 [tries, batch], decreasing to the threshold"""
    above: tf.Tensor
    """int32 [tries, batch], how many of `order` have a score above the floor"""
    num_anchors: tf.Tensor

    def first_try(self, params: SuppressionParams):
        """The first try, int32, with enough anchors above the floor in every image, or whose floor is the threshold."""
        enough = (self.above >= params.max_total) | (self.floors <= params.score_threshold)
        return tf.argmax(tf.reduce_all(enough, axis=1), output_type=tf.int32)

    def rows_above(self, tries):
        """The rows of all anchors that can have a score above the floor, int32 [batch, n], ascending.

        Suppression takes the first of equal scores, so the order must be that of the anchors.
        """
        all_rows = tf.broadcast_to(tf.range(self.num_anchors), [tf.shape(self.order)[0], self.num_anchors])

        def best_rows():
            return tf.sort(self.order[:, : tf.gather(self.counts, tries)], axis=1)

        return tf.cond(tries == len(FLOOR_RANKS), lambda: all_rows, best_rows)


def _best_anchors(scores, params: SuppressionParams) -> _BestAnchors:
    """Floors are the scores of the anchors at the ranks of FLOOR_RANKS, which are in units of `max_total`."""
    best = tf.reduce_max(scores, axis=-1)  # [batch, anchors]
    num_anchors = tf.shape(best)[1]
    counts = tf.minimum([rank * params.max_total for rank in FLOOR_RANKS], num_anchors)
    top = tf.math.top_k(best, k=counts[-1])
    floors = tf.gather(top.values, counts - 1, axis=1)
    floors = tf.pad(floors, [[0, 0], [0, 1]], constant_values=params.score_threshold)
    floors = tf.transpose(tf.maximum(floors, params.score_threshold))
    above = tf.reduce_sum(tf.cast(top.values > floors[..., None], tf.int32), axis=-1)
    return _BestAnchors(top.indices, counts, floors, above, num_anchors)


def _suppress_above(floor, boxes, scores, window, params: SuppressionParams) -> Kept:
    """`multiclass_suppression` of the candidates whose score is above `floor` [batch]."""
    index, score = _suppress_each(floor, boxes, scores, params)  # [batch, classes, per class]
    num_classes, per_class = scores.shape[-1], tf.shape(index)[-1]
    batch = tf.shape(boxes)[0]
    index, score = (tf.reshape(x, [batch, num_classes * per_class]) for x in (index, score))
    candidates = clip(_boxes_at(boxes, index, num_classes), window)
    # Empty candidates have the score -inf, like slots that suppression left unfilled.
    score = tf.where(area(candidates) > 0, score, -float("inf"))
    score, index, candidates = _pad(score, index, candidates, params.max_total)
    score, slot = tf.math.top_k(score, k=params.max_total)  # equal scores keep the order class, then rank
    kept, anchors = (take_rows(part, slot) for part in (candidates, index))
    return _kept(kept, slot // per_class, anchors, score, window, params)


def _kept(boxes, classes, anchors, scores, window, params: SuppressionParams) -> Kept:
    """Zero where the score is -inf."""
    filled = scores > -float("inf")
    if params.change_coordinate_frame:
        boxes = _relative_to(boxes, window)
    return Kept(
        boxes=tf.where(filled[..., None], boxes, 0.0),
        classes=tf.where(filled, tf.cast(classes, tf.float32), 0.0),
        scores=tf.where(filled, scores, 0.0),
        anchors=tf.where(filled, anchors, 0),
        count=tf.reduce_sum(tf.cast(filled, tf.int32), axis=-1),
    )


def _boxes_at(boxes, index, num_classes: int):
    """The boxes at rows int32 [batch, classes * per class]: [batch, classes * per class, 4]."""
    if len(boxes.shape) == 3:
        return take_rows(boxes, index)
    batch, count = tf.unstack(tf.shape(index))
    of_class = tf.transpose(boxes, [0, 2, 1, 3])
    found = tf.gather(of_class, tf.reshape(index, [batch, num_classes, count // num_classes]), batch_dims=2)
    return tf.reshape(found, [batch, count, 4])


def _suppress_each(floor, boxes, scores, params: SuppressionParams):
    """Candidate rows int32 and scores (-inf where unfilled), each [batch, classes, per class], above floor [batch]."""
    num_classes, per_class = scores.shape[-1], tf.minimum(params.max_per_class, tf.shape(boxes)[1])
    by_class = tf.reshape(tf.transpose(scores, [0, 2, 1]), [-1, tf.shape(boxes)[1]])  # [batch * classes, anchors]
    by_class_too = len(boxes.shape) == 4
    if by_class_too:
        boxes = tf.reshape(tf.transpose(boxes, [0, 2, 1, 3]), [-1, tf.shape(boxes)[1], 4])

    def one_class(row):
        image = row // num_classes
        index, score, count = tf.raw_ops.NonMaxSuppressionV5(
            boxes=tf.gather(boxes, row if by_class_too else image),
            scores=tf.gather(by_class, row),
            max_output_size=per_class,
            iou_threshold=params.iou_threshold,
            score_threshold=tf.gather(floor, image),
            soft_nms_sigma=params.soft_sigma,
            pad_to_max_output_size=True,
        )
        return index, tf.where(tf.range(per_class) < count, score, -float("inf"))

    rows = tf.range(tf.shape(by_class)[0])
    found = tf.map_fn(one_class, rows, fn_output_signature=(tf.int32, tf.float32), parallel_iterations=32)
    return tuple(tf.reshape(part, [-1, num_classes, per_class]) for part in found)


def _pad(score, index, candidates, least: int):
    """Pads the second axis to at least `least` candidates; new ones have the score -inf."""
    missing = tf.maximum(0, least - tf.shape(score)[1])
    score = tf.pad(score, [[0, 0], [0, missing]], constant_values=-float("inf"))
    return score, tf.pad(index, [[0, 0], [0, missing]]), tf.pad(candidates, [[0, 0], [0, missing], [0, 0]])


def _relative_to(boxes, window):
    top, left, bottom, right = tf.unstack(window[:, None, :], axis=-1)
    origin = tf.stack([top, left, top, left], axis=-1)
    size = tf.stack([bottom - top, right - left, bottom - top, right - left], axis=-1)
    return (boxes - origin) / size
