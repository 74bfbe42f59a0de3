"""The shapes of the first SSDs' anchors: Liu et al., "SSD: Single Shot MultiBox Detector", 2016. No TensorFlow."""

import math
from collections.abc import Sequence

# What TFOD lays on the finest map if it has few anchors: that of this scale, and two of the first scale.
FINEST_SCALE, FINEST_RATIOS = 0.1, (2.0, 0.5)

Shape = tuple[float, float]
"""Scale and aspect ratio (width by height)."""


def ssd_shapes(
    num_maps: int,
    scales: Sequence[float],
    aspect_ratios: Sequence[float],
    interpolated_aspect_ratio: float = 1.0,
    few_on_finest: bool = True,
) -> list[list[Shape]]:
    """The shapes for each map, of which there are `num_maps` or as many as `scales` if these are fewer.

    A map has its scale in each aspect ratio, then, unless `interpolated_aspect_ratio` is 0, the geometric mean of its
    scale and the next map's (1 after the last) in that one. `few_on_finest`: the finest has three others.
    """
    found = []
    for index, (scale, following) in enumerate(zip(scales, [*scales[1:], 1.0], strict=True)):
        shapes = [(scale, ratio) for ratio in aspect_ratios]
        if interpolated_aspect_ratio > 0:
            shapes.append((math.sqrt(scale * following), interpolated_aspect_ratio))
        if index == 0 and few_on_finest:
            shapes = [(FINEST_SCALE, 1.0), *((scale, ratio) for ratio in FINEST_RATIOS)]
        found.append(shapes)
    return found[:num_maps]


def even_scales(count: int, first: float, last: float) -> list[float]:
    """`count` scales (two or more) from `first` to `last`, equally far apart."""
    return [first + (last - first) * index / (count - 1) for index in range(count)]
