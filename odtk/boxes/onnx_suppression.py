"""Non-maximum suppression as ONNX has it: one operation for all images and classes, without loops and conditions.

The detections are those of odtk.boxes.suppression and odtk.boxes.proposals, in the same order. ONNX Runtime, OpenVINO
and TensorRT all have the operation; TensorRT takes none within a loop.
"""

import numpy as np
import tensorflow as tf

from odtk.errors import ConfigError

# The rank of the anchor, in units of max_total, whose score is the floor in the first and the second try. TensorRT
# finds at most the best 3840.
FLOOR_RANKS = (8, 32)
_MOST_RANKED = 3840
_NOTHING = float("inf")  # no score is above this threshold


def best_rows(boxes, scores, count: int, iou_threshold: float, score_threshold: float):
    """Suppresses boxes yxyx [batch, n, 4] by scores [batch, n]: rows int32 [batch, count], best first, int32 [batch].

    The rows of those that remain, 0 after them, and how many they are.
    """
    places = _suppress(boxes, scores[:, None], count, iou_threshold, score_threshold)
    kept = _at_least(_only(scores, places), count)
    best = tf.math.top_k(kept, k=count)
    filled = best.values > -_NOTHING
    return tf.where(filled, best.indices, 0), tf.reduce_sum(tf.cast(filled, tf.int32), axis=1)


def best_places(boxes, scores, is_empty, params):
    """Suppresses each class on its own, and takes the best of all: scores [batch, max_total], places int32 alike.

    boxes: yxyx [batch, classes or 1, n, 4]; scores [batch, classes, n]; `is_empty` bool [batch, classes or 1, n]: what
    suppresses others, but is no detection; params: SuppressionParams. A place is class * n + anchor; the score is -inf
    where there are fewer. Equal scores keep the order class, then anchor.
    """
    if params.soft_sigma:
        raise ConfigError(
            "soft_nms_sigma is above 0, and ONNX has no suppression that lowers scores. Set soft_nms_sigma: 0, or "
            "export a SavedModel."
        )
    num_classes, n = scores.shape[1], tf.shape(scores)[2]
    flat_boxes, shape = tf.reshape(boxes, [-1, n, 4]), [-1, num_classes if boxes.shape[1] == 1 else 1, n]

    def suppress(candidates, threshold):
        candidates = tf.reshape(candidates, shape)
        return _suppress(flat_boxes, candidates, params.max_per_class, params.iou_threshold, threshold)

    found, threshold = [], tf.constant(params.score_threshold)
    for floor in _floors(scores, params):
        found.append(suppress(*_above(floor, scores, threshold)))
        count = _count_by_image(found[-1], is_empty, tf.shape(scores))
        settled = tf.reduce_all((count >= params.max_total) | (floor <= params.score_threshold))
        # Whether a box is suppressed depends only on higher scores of its class: with a lower floor the same are found
        # again, and others. Where these suffice, nothing is above the threshold of the next try.
        threshold = tf.where(settled, _NOTHING, params.score_threshold)
    found.append(suppress(scores, threshold))
    kept = tf.where(is_empty, -_NOTHING, _only(scores, tf.concat(found, axis=0)))
    kept = _at_least(tf.reshape(kept, [-1, num_classes * n]), params.max_total)
    return tf.math.top_k(kept, k=params.max_total)


def _floors(scores, params) -> list:
    """Scores float32 [batch] of the tries before the last, decreasing; none where there are few anchors."""
    known = scores.shape[2]
    ranks = [rank for rank in (params.max_total * each for each in FLOOR_RANKS) if rank <= _MOST_RANKED]
    ranks = [rank for rank in ranks if known is None or rank < known]
    if not ranks:
        return []
    best = tf.reduce_max(scores, axis=1)  # [batch, n]
    top = tf.math.top_k(best if known else _at_least(best, ranks[-1]), k=ranks[-1]).values
    return [tf.maximum(top[:, rank - 1], params.score_threshold) for rank in ranks]


def _above(floor, scores, threshold):
    """(scores, threshold) of a suppression of scores [batch, ...] above floor [batch] and the threshold, a scalar."""
    if scores.shape[0] == 1:
        return scores, tf.maximum(floor[0], threshold)
    return tf.where(scores > floor[:, None, None], scores, -_NOTHING), threshold


def _suppress(boxes, scores, max_output, iou_threshold, score_threshold):
    """ONNX's NonMaxSuppression of boxes [rows, n, 4] and scores [rows, classes, n]: places int64 [kept] in scores."""
    found = tf.numpy_function(
        _stand_in,
        [
            boxes,
            scores,
            np.array([max_output], np.int64),
            np.array([iou_threshold], np.float32),
            tf.reshape(score_threshold, [1]),
        ],
        tf.int64,
        stateful=False,
    )
    row, kind, place = tf.unstack(tf.reshape(found, [-1, 3]), axis=1)
    _, num_classes, n = tf.unstack(tf.shape(scores, tf.int64))
    return (row * num_classes + kind) * n + place


def _stand_in(boxes, scores, max_output, iou_threshold, score_threshold) -> np.ndarray:
    """What ONNX's operation computes: (row, class, box) int64 [kept, 3]."""
    found = [np.zeros([0, 3], np.int64)]
    for row, kind in np.ndindex(scores.shape[:2]):
        kept = tf.image.non_max_suppression(
            boxes[row], scores[row, kind], int(max_output[0]), float(iou_threshold[0]), float(score_threshold[0])
        ).numpy()
        found.append(np.stack([np.full_like(kept, row), np.full_like(kept, kind), kept], axis=1).astype(np.int64))
    return np.concatenate(found)


def _only(scores, places):
    """The scores at `places` (int64 [m], rows of the flat scores), -inf elsewhere, in the same shape."""
    flat = tf.reshape(scores, [-1])
    kept = tf.tensor_scatter_nd_update(tf.fill(tf.shape(flat), -_NOTHING), places[:, None], tf.gather(flat, places))
    return tf.reshape(kept, tf.shape(scores))


def _count_by_image(places, is_empty, shape):
    """How many of the places int64 [m] in scores of this shape int32 [3] are detections, by image: int32 [batch]."""
    batch, num_classes, n = tf.unstack(tf.cast(shape, tf.int64))
    real = ~tf.gather(tf.reshape(tf.broadcast_to(is_empty, shape), [-1]), places)
    of_image = (places // (num_classes * n))[:, None] == tf.range(batch)[None]
    return tf.reduce_sum(tf.cast(of_image & real[:, None], tf.int32), axis=0)


def _at_least(scores, count: int):
    """Scores [batch, n] with -inf added up to `count`."""
    missing = tf.maximum(0, count - tf.shape(scores)[1])
    return tf.pad(scores, [[0, 0], [0, missing]], constant_values=-_NOTHING)
