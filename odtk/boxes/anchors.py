"""Multiscale anchors as in RetinaNet, with TFOD's order and offsets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class MultiscaleAnchors:
    """TFOD's `multiscale_anchor_generator`.

    At level l the stride is 2^l and the base size 2^l * anchor_scale; scales are 2^(i / scales_per_octave).
    """

    min_level: int
    max_level: int
    anchor_scale: float
    aspect_ratios: Sequence[float]
    scales_per_octave: int

    @property
    def levels(self) -> range:
        """Pyramid levels, finest first."""
        return range(self.min_level, self.max_level + 1)

    @property
    def per_location(self) -> tuple[int, ...]:
        """Anchors at each cell, by feature map."""
        return (len(self.aspect_ratios) * self.scales_per_octave,) * len(self.levels)

    def __call__(self, image_size, map_sizes, static: bool = True):
        """Anchors float32 [anchors, 4], yxyx normalized by `image_size`, in order level, row, column, anchor.

        image_size: (height, width) of the image, numbers or scalar tensors; map_sizes: (height, width) per level.
        A level's first center is at stride / 2 if the side is a multiple of the stride, otherwise at 0; if the size is
        unknown when the graph is built (`static` is false), TFOD always uses stride / 2.
        """
        height, width = (tf.cast(side, tf.float32) for side in image_size)
        levels = []
        for level, map_size in zip(self.levels, map_sizes, strict=True):
            offset_y, offset_x = (_offset(side, 2**level, static) for side in image_size)
            levels.append(self._level(level, map_size, offset_y, offset_x))
        # Multiplied by the reciprocal, as in TFOD: one bit decides which of two equal anchors a box force-matches.
        return tf.concat(levels, axis=0) * (1.0 / tf.stack([height, width, height, width]))

    def _level(self, level: int, map_size, offset_y: float, offset_x: float):
        stride = 2**level
        # Aspect ratio varies slowest, scale fastest.
        scales = np.array([2 ** (i / self.scales_per_octave) for i in range(self.scales_per_octave)], np.float32)
        scales = np.tile(scales, len(self.aspect_ratios))
        root = np.sqrt(np.repeat(np.array(self.aspect_ratios, np.float32), self.scales_per_octave))
        base = np.float32(stride * self.anchor_scale)
        half = np.stack([scales / root * base, scales * root * base], axis=-1) / 2  # [per location, (h, w)]
        rows = tf.range(map_size[0], dtype=tf.float32) * stride + offset_y
        columns = tf.range(map_size[1], dtype=tf.float32) * stride + offset_x
        centers = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)[:, :, None, :]
        return tf.reshape(tf.concat([centers - half, centers + half], axis=-1), [-1, 4])


def _offset(side, stride: int, static: bool) -> float:
    return stride / 2 if not static or int(side) % stride == 0 else 0.0
