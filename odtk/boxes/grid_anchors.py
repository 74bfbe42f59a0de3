"""The anchors of Faster R-CNN on a single feature map, with TFOD's order and offsets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class GridAnchors:
    """TFOD's `grid_anchor_generator`: boxes of a base size times scales and aspect ratios at each cell of a map.

    Sizes are (height, width) in pixels. The first cell's center is at `offset`, by default at the image's corner and
    not half a stride from it.
    """

    scales: Sequence[float]
    aspect_ratios: Sequence[float]
    base_size: tuple[float, float] = (256.0, 256.0)
    stride: tuple[float, float] = (16.0, 16.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def per_location(self) -> int:
        """Anchors at each cell."""
        return len(self.scales) * len(self.aspect_ratios)

    def __call__(self, map_size):
        """Anchors yxyx in pixels, float32 [anchors, 4], by row, column, aspect ratio and scale (fastest).

        map_size: (height, width) of the map, numbers or scalar tensors.
        """
        scales = np.tile(np.array(self.scales, np.float32), len(self.aspect_ratios))
        root = np.sqrt(np.repeat(np.array(self.aspect_ratios, np.float32), len(self.scales)))
        sizes = [scales / root * np.float32(self.base_size[0]), scales * root * np.float32(self.base_size[1])]
        half = np.stack(sizes, axis=-1) / 2  # [per location, (h, w)]
        sides = zip(map_size, self.stride, self.offset, strict=True)
        rows, columns = (tf.range(side, dtype=tf.float32) * stride + offset for side, stride, offset in sides)
        centers = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)[:, :, None, :]
        return tf.reshape(tf.concat([centers - half, centers + half], axis=-1), [-1, 4])
