"""Proposals: the boxes of one class that remain of many, best first, with shapes that are known in advance."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from odtk import onnx_operations
from odtk.boxes.geometry import area, clip
from odtk.boxes.onnx_suppression import best_rows
from odtk.boxes.rows import take_rows


@dataclass(frozen=True)
class ProposalParams:
    """A score must be above `score_threshold`. `keeps_empty`: also boxes that are empty once they are clipped."""

    max_proposals: int = 300
    iou_threshold: float = 0.7
    score_threshold: float = 0.0
    keeps_empty: bool = False


class Proposals(NamedTuple):
    """The best boxes of each image, best first, padded with zeros: boxes yxyx [batch, n, 4], scores [batch, n].

    rows int32 [batch, n] are theirs among the candidates, count int32 [batch] is their number.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    rows: tf.Tensor
    count: tf.Tensor


def propose(boxes, scores, windows, params: ProposalParams) -> Proposals:
    """Suppresses boxes yxyx [batch, candidates, 4] by their scores [batch, candidates].

    Suppression works on boxes that reach over their image; those that remain are clipped to its window, yxyx
    [batch, 4], and the empty ones removed. (TFOD's first stage; NonMaxSuppressionV4 is compiled by XLA, too.)
    """

    boxes, scores = tf.stop_gradient(boxes), tf.stop_gradient(scores)
    if onnx_operations.are_needed():
        rows, count = best_rows(boxes, scores, params.max_proposals, params.iou_threshold, params.score_threshold)
    else:
        rows, count = _suppress_each(boxes, scores, params)
    rows = tf.ensure_shape(rows, [None, params.max_proposals])
    kept, filled = take_rows(boxes, rows), tf.sequence_mask(count, params.max_proposals)
    if params.keeps_empty:
        kept = _cut(kept, windows)
    else:
        kept = clip(kept, windows)
        filled &= area(kept) > 0
    return _first(Proposals(kept, take_rows(scores, rows), rows, count), filled)


def _suppress_each(boxes, scores, params: ProposalParams):
    """(rows int32 [batch, max_proposals], how many of them int32 [batch])"""

    def suppress(inputs):
        image_boxes, image_scores = inputs
        found = tf.raw_ops.NonMaxSuppressionV4(
            boxes=image_boxes,
            scores=image_scores,
            max_output_size=params.max_proposals,
            iou_threshold=params.iou_threshold,
            score_threshold=params.score_threshold,
            pad_to_max_output_size=True,
        )
        return found.selected_indices, found.valid_outputs

    return tf.map_fn(suppress, (boxes, scores), fn_output_signature=(tf.int32, tf.int32), parallel_iterations=8)


def _cut(boxes, windows):
    """As TFOD clips for combined suppression: a box outside of its window is turned inside out."""
    least, most = (windows[:, None, side : side + 2] for side in (0, 2))
    return tf.concat([tf.maximum(boxes[..., :2], least), tf.minimum(boxes[..., 2:], most)], axis=-1)


def select(proposals: Proposals, chosen, size: int, fills_up: bool = False) -> Proposals:
    """The first `size` of the chosen ones, bool [batch, n], in the same order.

    With `fills_up` there always are `size`: for missing ones the best of all proposals is repeated, and counts each
    time. (TFOD's, where shapes are static.)
    """
    picked = _first(proposals, chosen)
    missing = max(0, size - picked.boxes.shape[1])
    boxes, scores, rows = (
        tf.pad(part[:, :size], [[0, 0], [0, missing]] + [[0, 0]] * (part.shape.rank - 2)) for part in picked[:3]
    )
    found = Proposals(boxes, scores, rows, tf.minimum(picked.count, size))
    return _filled_up(found, proposals, size) if fills_up else found


def _filled_up(found: Proposals, proposals: Proposals, size: int) -> Proposals:
    real = tf.sequence_mask(found.count, size)
    boxes, scores, rows = (
        tf.where(real[..., None] if part.shape.rank == 3 else real, part, best[:, :1])
        for part, best in zip(found[:3], proposals[:3], strict=True)
    )
    return Proposals(boxes, scores, rows, tf.fill(tf.shape(found.count), size))


def _first(proposals: Proposals, wanted) -> Proposals:
    """The wanted ones, bool [batch, n], moved to the front; zeros after them."""
    count = tf.reduce_sum(tf.cast(wanted, tf.int32), axis=1)
    order = tf.argsort(tf.cast(~wanted, tf.int32), axis=1, stable=True)
    filled = tf.sequence_mask(count, tf.shape(wanted)[1])
    boxes, scores, rows = (take_rows(part, order) for part in proposals[:3])
    return Proposals(
        tf.where(filled[..., None], boxes, 0.0), tf.where(filled, scores, 0.0), tf.where(filled, rows, 0), count
    )
