"""Areas, overlaps and clipping of boxes: yxyx in any unit, last axis 4."""

import tensorflow as tf


def area(boxes):
    """[..., 4] to [...]."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    return (ymax - ymin) * (xmax - xmin)


def intersection(boxes, others):
    """Areas of the intersection of every pair of boxes [..., n, 4] and others [..., m, 4]: [..., n, m]."""
    ymin, xmin, ymax, xmax = (side[..., :, None] for side in tf.unstack(boxes, axis=-1))
    ymin2, xmin2, ymax2, xmax2 = (side[..., None, :] for side in tf.unstack(others, axis=-1))
    height = tf.maximum(0.0, tf.minimum(ymax, ymax2) - tf.maximum(ymin, ymin2))
    width = tf.maximum(0.0, tf.minimum(xmax, xmax2) - tf.maximum(xmin, xmin2))
    return height * width


def iou(boxes, others):
    """Intersection over union of every pair, 0 if disjoint: [..., n, 4], [..., m, 4] to [..., n, m]."""
    shared = intersection(boxes, others)
    union = area(boxes)[..., :, None] + area(others)[..., None, :] - shared
    return tf.where(shared == 0.0, 0.0, shared / tf.where(union == 0.0, 1.0, union))


def thresholded_iou(boxes, others, iou_threshold: float = 0.5):
    """1 where a pair's overlap (`iou`) is above `iou_threshold`, else 0: [..., n, 4], [..., m, 4] to [..., n, m].

    (TFOD's ThresholdedIouSimilarity, with groundtruth boxes that all have the score 1.)
    """
    return tf.cast(iou(boxes, others) > iou_threshold, boxes.dtype)


def ioa(boxes, others):
    """Intersection over the *others'* area of every pair: [..., n, 4], [..., m, 4] to [..., n, m]."""
    return tf.math.divide_no_nan(intersection(boxes, others), area(others)[..., None, :])


def neg_sq_dist(boxes, others):
    """Minus the squared distance of every pair, each box a point of four coordinates: as `iou`.

    The sum is TFOD's, which decides between anchors that are equally far.
    """
    squares, of_others = (tf.reduce_sum(tf.square(each), -1) for each in (boxes, others))
    products = tf.matmul(boxes, others, transpose_b=True)
    return -1.0 * (squares[..., :, None] + of_others[..., None, :] - 2.0 * products)


def clip(boxes, window):
    """Boxes [..., n, 4] clipped to window [..., 4]."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    # Not by slices: OpenVINO (2026.4) makes those of a scalar of memory that it has not written.
    top, left, bottom, right = (tf.expand_dims(side, -1) for side in tf.unstack(window, axis=-1))
    return tf.stack(
        [
            tf.clip_by_value(ymin, top, bottom),
            tf.clip_by_value(xmin, left, right),
            tf.clip_by_value(ymax, top, bottom),
            tf.clip_by_value(xmax, left, right),
        ],
        axis=-1,
    )


def yxyx_to_cyxhw(boxes):
    """Corners to center and size: four tensors (cy, cx, height, width), each [...]."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
    height, width = ymax - ymin, xmax - xmin
    return ymin + height / 2, xmin + width / 2, height, width


def cyxhw_to_yxyx(cy, cx, height, width):
    """Center and size, each [...], to corners [..., 4]."""
    return tf.stack([cy - height / 2, cx - width / 2, cy + height / 2, cx + width / 2], axis=-1)
