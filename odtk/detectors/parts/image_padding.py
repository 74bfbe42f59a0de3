"""Pads images to a size that a network accepts, and refuses images that are unusable."""

import tensorflow as tf

from odtk.detectors.parts.input_size import InputSize
from odtk.errors import ConfigError


def padded(images, size: InputSize):
    """Images [batch, h, w, 3], zero-padded at the bottom and right to multiples of `size.pad_to_multiple`."""
    if size.pad_to_multiple == 1:
        return images
    height, width = tf.unstack(tf.shape(images)[1:3])
    rows, columns = -height % size.pad_to_multiple, -width % size.pad_to_multiple
    result = tf.pad(images, [[0, 0], [0, rows], [0, columns], [0, 0]])
    if None not in images.shape[1:3]:
        result = tf.ensure_shape(result, [None, *(size.padded_side(side) for side in images.shape[1:3]), 3])
    return result


def checked(images, size: InputSize):
    """The unpadded images, if their size is usable; otherwise raises ConfigError, or an error when the graph runs."""
    wanted = (
        f"Sides of at least {size.least_side}, and multiples of {size.side_multiple} once padded, are what this "
        "detector takes"
    )
    if None not in images.shape[1:3]:
        height, width = images.shape[1:3]
        if not all(size.takes(side) for side in (height, width)):
            raise ConfigError(f"{wanted}; this image is {height}x{width}. Change the model's image_resizer.")
        return images
    sides = tf.shape(images)[1:3]
    good = tf.reduce_all(size.takes(sides))
    with tf.control_dependencies([tf.debugging.Assert(good, [f"{wanted}; these are", sides])]):
        return tf.identity(images)
