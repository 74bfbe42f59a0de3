"""Functions of one example's groundtruth: filters, reframes and pads the per-box tensors of an example together.

Inside this package an example is a dictionary: `image` [h, w, 3] (uint8, or float32 once an augmentation needed it,
0..255), `source_id`, `original_image_size`, `labeled_classes` [classes] (1 for those it was labeled for), and one
entry per box for each of BOX_FIELDS. Boxes are normalized yxyx, classes 0-based.
"""

import numpy as np
import tensorflow as tf

from odtk.boxes import geometry

BOX_FIELDS = ("boxes", "classes", "weights", "is_crowd", "difficult", "group_of", "area")
UNIT_WINDOW = (0.0, 0.0, 1.0, 1.0)  # the whole image, normalized yxyx


def keep(example: dict, wanted) -> dict:
    """The example with only the boxes for which `wanted` (bool [n]) is true."""
    indices = tf.squeeze(tf.where(wanted), 1)
    return {**example, **{field: tf.gather(example[field], indices) for field in BOX_FIELDS}}


def touches(boxes, window) -> tf.Tensor:
    """Whether each box [n, 4] shares more than an edge with the window [4]: bool [n]."""
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    top, left, bottom, right = tf.unstack(window)
    return (ymin < bottom) & (xmin < right) & (ymax > top) & (xmax > left)


def covered(boxes, window, fraction: float) -> tf.Tensor:
    """Whether at least `fraction` of each box's area is in the window [4]: bool [n]; false for a box without area."""
    return (geometry.ioa(window[None], boxes)[0] >= fraction) & (geometry.area(boxes) > 0)


def reframe(boxes, window) -> tf.Tensor:
    """Boxes [n, 4] relative to the window [4] instead of the whole image; not clipped."""
    window = tf.convert_to_tensor(window, tf.float32)
    size = window[2:] - window[:2]
    return (boxes - tf.tile(window[:2], [2])) / tf.tile(size, [2])


def clip_to_image(boxes) -> tf.Tensor:
    """Boxes [n, 4] clipped to the unit square."""
    return tf.clip_by_value(boxes, 0.0, 1.0)


def pad_boxes(example: dict, count: int) -> dict:
    """BOX_FIELDS truncated or zero-padded to `count` boxes, and `num_boxes`, the number of valid ones (int32)."""
    present = tf.shape(example["boxes"])[0]
    # Behind the boxes is a row of zeros, which stands for each that is missing.
    places = tf.minimum(np.arange(count, dtype=np.int32), present)
    padded = {field: tf.gather(_with_zeros(example[field]), places) for field in BOX_FIELDS}
    return {**padded, "num_boxes": tf.minimum(present, count)}


def _with_zeros(values) -> tf.Tensor:
    return tf.concat([values, tf.zeros([1, *values.shape[1:]], values.dtype)], 0)
