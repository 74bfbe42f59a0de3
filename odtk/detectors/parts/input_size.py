"""What images have to be for a network to take them, and the padding that makes them so."""

from dataclasses import dataclass

import tensorflow as tf

from odtk.errors import ConfigError


@dataclass(frozen=True)
class InputSize:
    """`pad_to_multiple` is the config's; a network takes sides from `least_side`, multiples of `side_multiple`."""

    pad_to_multiple: int = 1
    least_side: int = 1
    side_multiple: int = 1

    def padded(self, images):
        """Images [batch, h, w, 3] with zeros at the bottom and right up to multiples of `pad_to_multiple`."""
        if self.pad_to_multiple == 1:
            return images
        height, width = tf.unstack(tf.shape(images)[1:3])
        rows, columns = -height % self.pad_to_multiple, -width % self.pad_to_multiple
        padded = tf.pad(images, [[0, 0], [0, rows], [0, columns], [0, 0]])
        if None not in images.shape[1:3]:
            padded = tf.ensure_shape(padded, [None, *(self._padded_side(side) for side in images.shape[1:3]), 3])
        return padded

    def checked(self, images):
        """The unpadded images, unless their size does not do: ConfigError, or an error of the graph when it runs."""
        wanted = (
            f"Sides of at least {self.least_side}, and multiples of {self.side_multiple} once padded, are what this "
            "detector takes"
        )
        if None not in images.shape[1:3]:
            height, width = images.shape[1:3]
            if not all(self._takes(side) for side in (height, width)):
                raise ConfigError(f"{wanted}; this image is {height}x{width}. Change model.ssd.image_resizer.")
            return images
        sides = tf.shape(images)[1:3]
        good = tf.reduce_all(self._takes(sides))
        with tf.control_dependencies([tf.debugging.Assert(good, [f"{wanted}; these are", sides])]):
            return tf.identity(images)

    def _padded_side(self, side):
        return side + -side % self.pad_to_multiple

    def _takes(self, side):
        return (side >= self.least_side) & (self._padded_side(side) % self.side_multiple == 0)
