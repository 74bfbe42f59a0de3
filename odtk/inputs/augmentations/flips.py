"""Flips and rotations."""

import tensorflow as tf

from odtk.inputs import stateless_random


def random_horizontal_flip(example: dict, seed, *, probability: float = 0.5) -> dict:
    """Flips image and boxes left to right, with `probability`."""
    return _sometimes(example, seed, probability, _flip_left_right)


def random_vertical_flip(example: dict, seed, *, probability: float = 0.5) -> dict:
    """Flips image and boxes upside down, with `probability`."""
    return _sometimes(example, seed, probability, _flip_up_down)


def random_rotation90(example: dict, seed, *, probability: float = 0.5) -> dict:
    """Rotates image and boxes by 90 degrees counterclockwise, with `probability`; height and width are swapped."""
    return _sometimes(example, seed, probability, _rotate_quarter)


def _sometimes(example: dict, seed, probability: float, change) -> dict:
    (fraction,) = stateless_random.uniform(seed, 1)
    image, boxes = example["image"], example["boxes"]
    image, boxes = tf.cond(fraction < probability, lambda: change(image, boxes), lambda: (image, boxes))
    return {**example, "image": tf.ensure_shape(image, [None, None, 3]), "boxes": boxes}


def _flip_left_right(image, boxes):
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    return tf.reverse(image, [1]), tf.stack([ymin, 1 - xmax, ymax, 1 - xmin], axis=1)


def _flip_up_down(image, boxes):
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    return tf.reverse(image, [0]), tf.stack([1 - ymax, xmin, 1 - ymin, xmax], axis=1)


def _rotate_quarter(image, boxes):
    ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=1)
    return tf.image.rot90(image), tf.stack([1 - xmax, ymin, 1 - xmin, ymax], axis=1)
