"""Rotated boxes, which are replaced by the upright box around each."""

import math

Yxyx = tuple[float, float, float, float]


def rotated_hull(yxyx: Yxyx, angle: float) -> Yxyx:
    """The upright box around one that is rotated about its centre by an angle in radians."""
    ymin, xmin, ymax, xmax = yxyx
    x, y, width, height = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    half_width = (width * cosine + height * sine) / 2
    half_height = (width * sine + height * cosine) / 2
    return y - half_height, x - half_width, y + half_height, x + half_width
