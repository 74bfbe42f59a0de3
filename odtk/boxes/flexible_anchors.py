"""Anchors whose grids are written out one by one, with TFOD's order."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk.boxes.ssd_anchors import anchors_of_map
from odtk.boxes.ssd_shapes import Shape


@dataclass(frozen=True)
class FlexibleAnchors:
    """TFOD's `flexible_grid_anchor_generator`: for each feature map, finest first, in pixels.

    `shapes` are the side of the square of an anchor's area and its aspect ratio (width by height), `strides` (y, x) the
    distances of the centers, and `offsets` (y, x) the place of the first one.
    """

    shapes: Sequence[Sequence[Shape]]
    strides: Sequence[tuple[int, int]]
    offsets: Sequence[tuple[int, int]]

    @property
    def per_location(self) -> tuple[int, ...]:
        """Anchors at each cell, by feature map."""
        return tuple(map(len, self.shapes))

    def __call__(self, image_size, map_sizes, static: bool = True):
        """Anchors float32 [anchors, 4], yxyx normalized by `image_size`, in order map, row, column, anchor.

        image_size: (height, width) of the image, numbers or scalar tensors; map_sizes: (height, width) per map.
        `static` changes nothing: see `odtk.boxes.anchors.MultiscaleAnchors`.
        """
        height, width = (tf.cast(side, tf.float32) for side in image_size)
        grids = zip(self.shapes, map_sizes, self.strides, self.offsets, strict=True)
        maps = [anchors_of_map(shapes, size, (1.0, 1.0), strides, offsets) for shapes, size, strides, offsets in grids]
        # Multiplied by the reciprocal, as in TFOD.
        return tf.concat(maps, axis=0) * (1.0 / tf.stack([height, width, height, width]))
