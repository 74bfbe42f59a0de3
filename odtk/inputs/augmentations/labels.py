"""Options that change boxes and classes, but not the image."""

import tensorflow as tf

from odtk.inputs import groundtruth
from odtk.protos import preprocessor_pb2

_MODES = preprocessor_pb2.RandomJitterBoxes
_SHRINKING = (_MODES.SHRINK, _MODES.SHRINK_SYMMETRIC, _MODES.SHRINK_SYMMETRIC_XY)
_EXPANDING = (_MODES.EXPAND, _MODES.EXPAND_SYMMETRIC, _MODES.EXPAND_SYMMETRIC_XY)
_SIDE_BY_SIDE = (_MODES.DEFAULT, _MODES.SHRINK, _MODES.EXPAND)
_LEAST = 1e-6  # height and width of a box without area, as TFOD counts it


def random_jitter_boxes(example: dict, seed, *, ratio: float = 0.05, jitter_mode: int = _MODES.DEFAULT) -> dict:
    """Moves the sides of every box by up to `ratio` of half the box's height or width, clipped to the image.

    `jitter_mode` (RandomJitterBoxes.JitterMode): DEFAULT, EXPAND (outwards only) and SHRINK (inwards only) move every
    side by itself. With ..._SYMMETRIC opposite sides move alike, and no further than the nearer one's edge of the
    image, so that the center stays; with ..._SYMMETRIC_XY, all four do.
    """
    low = 0.0 if jitter_mode in _EXPANDING else -ratio
    high = 0.0 if jitter_mode in _SHRINKING else ratio
    boxes = example["boxes"]
    centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, tf.maximum(tf.abs(boxes[:, 2:] - boxes[:, :2]), _LEAST)
    if jitter_mode in _SIDE_BY_SIDE:
        factors = 1 + tf.random.stateless_uniform(tf.shape(boxes), seed, low, high)
    else:
        factors = 1 + tf.random.stateless_uniform(tf.shape(centers), seed, low, high)
        most = tf.abs(tf.minimum(2 * centers, 2 * (1 - centers)) / sizes)
        if jitter_mode in (_MODES.EXPAND_SYMMETRIC_XY, _MODES.SHRINK_SYMMETRIC_XY):
            factors, most = factors[:, :1], tf.reduce_min(most, axis=1, keepdims=True)
        factors = tf.broadcast_to(tf.clip_by_value(factors, -most, most), tf.shape(centers))
        factors = tf.tile(factors, [1, 2])
    moved = tf.concat([centers - sizes * factors[:, :2] / 2, centers + sizes * factors[:, 2:] / 2], axis=1)
    return {**example, "boxes": groundtruth.clip_to_image(moved)}


def drop_label_probabilistically(example: dict, seed, *, label: int = 0, drop_probability: float = 1.0) -> dict:
    """Drops each box of class `label` (1-based, as in the label map) with `drop_probability`."""
    fractions = tf.random.stateless_uniform(tf.shape(example["classes"]), seed)
    return groundtruth.keep(example, (example["classes"] != label - 1) | (fractions > drop_probability))


def remap_labels(example: dict, seed, *, original_labels: tuple[int, ...] = (), new_label: int = 0) -> dict:
    """Gives boxes of the classes `original_labels` the class `new_label` (all 1-based); not random."""
    del seed
    classes = example["classes"]
    listed = tf.reduce_any(classes[:, None] == tf.constant(original_labels, tf.int32) - 1, axis=1)
    return {**example, "classes": tf.where(listed, new_label - 1, classes)}
