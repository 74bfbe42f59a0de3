"""Options that change boxes and classes, but not the image."""

import tensorflow as tf

from odtk.errors import ConfigError
from odtk.inputs import groundtruth


def random_jitter_boxes(example: dict, seed, *, ratio: float = 0.05, jitter_mode: int = 0) -> dict:
    """Moves every side of every box by up to `ratio` of half the box's height or width, clipped to the image.

    `jitter_mode` must be DEFAULT (0): the other modes raise ConfigError.
    """
    if jitter_mode != 0:
        raise ConfigError(
            "random_jitter_boxes.jitter_mode: this version of odtk implements DEFAULT only; remove the field."
        )
    boxes = example["boxes"]
    half_sizes = tf.tile(boxes[:, 2:] - boxes[:, :2], [1, 2]) / 2
    shift = half_sizes * tf.random.stateless_uniform(tf.shape(boxes), seed, -ratio, ratio)
    return {**example, "boxes": groundtruth.clip_to_image(boxes + shift)}


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
