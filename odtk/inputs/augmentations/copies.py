"""Options that show the image several times."""

import tensorflow as tf

from odtk.inputs import groundtruth, stateless_random


def random_self_concat_image(
    example: dict, seed, *, concat_vertical_probability: float = 0.1, concat_horizontal_probability: float = 0.1
) -> dict:
    """Puts a copy of the image, with its boxes, below it, and then a copy of both beside them, each by chance."""
    vertical, horizontal = stateless_random.uniform(seed, 2)
    example = _twice_sometimes(example, vertical < concat_vertical_probability, axis=0)
    return _twice_sometimes(example, horizontal < concat_horizontal_probability, axis=1)


def _twice_sometimes(example: dict, wanted, axis: int) -> dict:
    changed = {name: example[name] for name in ("image", *groundtruth.BOX_FIELDS)}
    changed = tf.cond(wanted, lambda: _twice(changed, axis), lambda: changed)
    return {**example, **changed, "image": tf.ensure_shape(changed["image"], [None, None, 3])}


def _twice(example: dict, axis: int) -> dict:
    """Image and boxes, and behind each other those of the upper or left half and of the other one."""
    doubled = {name: tf.concat([example[name]] * 2, axis=0) for name in groundtruth.BOX_FIELDS}
    half = tf.tile(tf.one_hot(axis, 2, on_value=0.5, off_value=1.0), [2])
    first = example["boxes"] * half
    boxes = tf.concat([first, first + (1 - half)], axis=0)
    return {**doubled, "boxes": boxes, "image": tf.concat([example["image"]] * 2, axis=axis)}
