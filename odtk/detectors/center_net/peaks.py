"""From CenterNet's maps to boxes."""

from typing import NamedTuple

import tensorflow as tf

from odtk.boxes.geometry import cyxhw_to_yxyx

# How far below the highest value of its neighborhood a peak may be, by rounding.
_ROUNDING = 1e-6
# From the first of a flat top's peaks to the farthest, in neighborhoods.
_FLAT = 4


class Peaks(NamedTuple):
    """The highest peaks of a batch of heat maps, best first.

    scores float32 [batch, k], classes int32 [batch, k], cells int32 [batch, k, 2] (row, column). Where there are fewer
    peaks the scores are 0.
    """

    scores: tf.Tensor
    classes: tf.Tensor
    cells: tf.Tensor


def find_peaks(heat, count: int, pool_size: int, rounded: bool = False) -> Peaks:
    """The highest `count` peaks (fewer, if the maps have fewer values) of heat maps [batch, rows, columns, classes].

    A peak is the highest value among the `pool_size` x `pool_size` around it, in its class; with 0 or 1, every value.
    Of equal ones each is a peak, as TFOD has it; among values that were `rounded`, where neighbors often are equal and
    one object would be found twice, only the first of those that touch, if `pool_size` is odd.
    """
    if pool_size > 1:
        highest = tf.nn.max_pool2d(heat, pool_size, 1, "SAME")
        is_peak = tf.abs(heat - highest) < _ROUNDING
        if rounded and pool_size % 2:
            is_peak = _first_of_equals(is_peak, pool_size)
        heat = heat * tf.cast(is_peak, heat.dtype)
    _, columns, classes = tf.unstack(tf.shape(heat)[1:])
    flat = tf.reshape(heat, [tf.shape(heat)[0], -1])
    best = tf.math.top_k(flat, tf.minimum(count, tf.shape(flat)[1]))
    cells, found_classes = best.indices // classes, best.indices % classes
    return Peaks(best.values, found_classes, tf.stack([cells // columns, cells % columns], axis=-1))


def _first_of_equals(is_peak, pool_size: int):
    """The first of the peaks that are in each other's neighborhoods, in the order of rows: bool [b, rows, columns, c].

    Flat tops that are more than a few peaks long may keep several.
    """
    _, rows, columns, _ = tf.unstack(tf.shape(is_peak))
    place = tf.reshape(tf.range(rows * columns, 0, -1), [1, rows, columns, 1])
    order = first = tf.cast(place, tf.float32) * tf.cast(is_peak, tf.float32)  # exact up to 4096 x 4096
    for _ in range(_FLAT):
        first = tf.where(is_peak, tf.nn.max_pool2d(first, pool_size, 1, "SAME"), 0.0)
    return is_peak & (order >= first)


def boxes_at(cells, sizes, offsets, map_size):
    """Boxes yxyx in cells [..., 4], clipped to a map of this (rows, columns), with their centers in some cells.

    cells int32 [..., 2] (row, column); sizes [..., 2] (height, width; negative ones count as 0) and offsets [..., 2]
    (y, x), all in cells.
    """
    height, width = tf.unstack(tf.maximum(sizes, 0.0), axis=-1)
    cy, cx = tf.unstack(tf.cast(cells, sizes.dtype) + offsets, axis=-1)
    rows, columns = (tf.cast(side, sizes.dtype) for side in map_size)
    return tf.clip_by_value(cyxhw_to_yxyx(cy, cx, height, width), 0.0, tf.stack([rows, columns, rows, columns]))
