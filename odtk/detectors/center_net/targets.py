"""What CenterNet's maps should show for a batch's boxes.

Zhou et al., "Objects as Points", 2019. The operations are in TFOD's order, so that the peaks are exactly 1.
"""

from typing import NamedTuple

import tensorflow as tf

from odtk.boxes.geometry import yxyx_to_cyxhw


class BoxTargets(NamedTuple):
    """The targets of every box, at the cell where its center lies.

    cells int32 [batch, n, 2] (row, column); sizes float32 [batch, n, 2] (height, width) in cells; offsets float32
    [batch, n, 2] (y, x) from the cell's corner; weights float32 [batch, n], 0 for padding and for a center off the map.
    """

    cells: tf.Tensor
    sizes: tf.Tensor
    offsets: tf.Tensor
    weights: tf.Tensor


def box_targets(boxes, weights, map_size) -> BoxTargets:
    """Of boxes yxyx normalized [batch, n, 4] with weights [batch, n], on a map of this (rows, columns)."""
    cy, cx, height, width = _in_cells(boxes, map_size)
    center = tf.stack([cy, cx], axis=-1)
    corner = tf.floor(center)
    cells = tf.cast(corner, tf.int32)
    last = tf.stack(map_size) - 1
    inside = tf.reduce_all((cells >= 0) & (cells <= last), axis=-1)
    # TFOD would read another cell there, or none.
    return BoxTargets(
        cells=tf.clip_by_value(cells, 0, last),
        sizes=tf.stack([height, width], axis=-1),
        offsets=center - corner,
        weights=tf.where(inside, weights, 0.0),
    )


def heat_maps(boxes, classes, weights, map_size, num_classes: int, min_overlap: float):
    """The heat map of each class, [batch, rows, columns, classes]: a bump of height 1 around the center of each box.

    boxes yxyx normalized [batch, n, 4], classes int32 [batch, n], weights [batch, n] (a bump's height is its box's
    weight, so that only boxes of weight 1 are positives). Where bumps of a class overlap the higher one counts.
    `min_overlap`: how well the box of a neighboring cell fits that is not to count as wrong; see `_radius`.
    """
    rows, columns = map_size
    cy, cx, height, width = _in_cells(boxes, map_size)
    sigma = (2 * tf.maximum(tf.floor(_radius(height, width, min_overlap)), 0.0) + 1) / 6.0
    dy = tf.range(rows, dtype=boxes.dtype)[:, None] - tf.floor(cy)[..., None, None]  # [batch, n, rows, 1]
    dx = tf.range(columns, dtype=boxes.dtype) - tf.floor(cx)[..., None, None]  # [batch, n, 1, columns]
    spread = (2 * sigma * sigma)[..., None, None]
    bumps = tf.exp(-(dx**2 + dy**2) / spread) * weights[..., None, None]  # [batch, n, rows, columns]
    batch = tf.shape(boxes)[0]
    # One map for each class of each image; boxes of one of them are brought together.
    maps = tf.range(batch)[:, None] * num_classes + classes
    highest = tf.math.unsorted_segment_max(
        tf.reshape(bumps, [-1, rows * columns]), tf.reshape(maps, [-1]), batch * num_classes
    )
    # Without a box it is the lowest number that there is.
    highest = tf.reshape(tf.maximum(highest, 0.0), [batch, num_classes, rows, columns])
    return tf.stop_gradient(tf.transpose(highest, [0, 2, 3, 1]))


def _in_cells(boxes, map_size):
    """Normalized boxes [..., 4] to (cy, cx, height, width) in cells, each [...]."""
    rows, columns = (tf.cast(side, boxes.dtype) for side in map_size)
    return yxyx_to_cyxhw(boxes * tf.stack([rows, columns, rows, columns]))


def _radius(height, width, min_overlap: float):
    """How far the corners of another box may be away that overlaps this one by at least `min_overlap`, in cells.

    As CornerNet's authors first published it: of each of three quadratic equations the larger root is taken, and not
    divided by the leading coefficient. TFOD has kept it so.
    """
    area = height * width
    shifted = _root(1.0, -(height + width), area * ((1 - min_overlap) / (1 + min_overlap)))
    within = _root(4.0, -2 * (height + width), (1 - min_overlap) * area)
    around = _root(4 * min_overlap, 2 * min_overlap * (height + width), (min_overlap - 1) * area)
    return tf.minimum(tf.minimum(shifted, around), within)


def _root(a: float, b, c):
    return (-b + tf.sqrt(b**2 - 4 * a * c)) / 2.0
