"""Anchors of the first SSDs, with TFOD's order: a few shapes at each cell of a feature map, relative to the image."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk.boxes.ssd_shapes import Shape


@dataclass(frozen=True)
class SsdAnchors:
    """TFOD's `ssd_anchor_generator`: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2.

    `shapes` are those at each cell, by feature map, finest first. Sizes are relative to the short side of the image
    times `base_size` (height, width). Centers are in the middle of the cells, unless `strides` (y, x) or `offsets` of
    the first center are given for each map in pixels.
    """

    shapes: Sequence[Sequence[Shape]]
    base_size: tuple[float, float] = (1.0, 1.0)
    strides: Sequence[tuple[int, int]] = ()
    offsets: Sequence[tuple[int, int]] = ()

    @property
    def per_location(self) -> tuple[int, ...]:
        """Anchors at each cell, by feature map."""
        return tuple(map(len, self.shapes))

    def __call__(self, image_size, map_sizes, static: bool = True):
        """Anchors float32 [anchors, 4], yxyx normalized by `image_size`, in order map, row, column, anchor.

        image_size: (height, width) of the image, numbers or scalar tensors; map_sizes: (height, width) per map.
        `static` changes nothing: see `MultiscaleAnchors`.
        """
        image = [tf.cast(side, tf.float32) for side in image_size]
        short = tf.minimum(*image)
        base = [short / side * size for side, size in zip(image, self.base_size, strict=True)]
        maps = []
        for index, (shapes, map_size) in enumerate(zip(self.shapes, map_sizes, strict=True)):
            strides = [1.0 / tf.cast(side, tf.float32) for side in map_size]
            if self.strides:
                strides = _normalized(self.strides[index], image)
            offsets = [0.5 * stride for stride in strides]
            if self.offsets:
                offsets = _normalized(self.offsets[index], image)
            maps.append(anchors_of_map(shapes, map_size, base, strides, offsets))
        return tf.concat(maps, axis=0)


def anchors_of_map(shapes, map_size, base, strides, offsets):
    """Anchors yxyx [anchors, 4] of a map of `map_size` cells, by row, column, shape.

    `base` is the size (height, width) that the scales of the shapes multiply; it, the strides and the offsets (y, x)
    are in any unit, numbers or scalar tensors.
    """
    scales, ratios = (tf.constant(values, tf.float32) for values in zip(*shapes, strict=True))
    roots = tf.sqrt(ratios)
    sizes = tf.stack([scales / roots * base[0], scales * roots * base[1]], axis=-1)  # [per location, (h, w)]
    rows, columns = (
        tf.range(count, dtype=tf.float32) * stride + offset
        for count, stride, offset in zip(map_size, strides, offsets, strict=True)
    )
    centers = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)[:, :, None, :]
    return tf.reshape(tf.concat([centers - 0.5 * sizes, centers + 0.5 * sizes], axis=-1), [-1, 4])


def _normalized(pixels: tuple[int, int], image) -> list:
    return [tf.cast(value, tf.float32) / side for value, side in zip(pixels, image, strict=True)]
