"""Crops of feature maps at boxes, all of one size, by bilinear interpolation.

The corners of a crop are the corners of its box: sample i of n lies at y * (height - 1), where y goes from the box's
ymin to its ymax in n - 1 equal steps.
"""

from typing import NamedTuple

import tensorflow as tf

from odtk import onnx_operations, static_shapes
from odtk.devices import are_operations_deterministic


def crop(maps: list, boxes, levels, size: int, exact_border: bool = False):
    """Crops [batch, n, size, size, channels] of maps [batch, height, width, channels], in the type of the maps.

    boxes: yxyx [batch, n, 4], normalized to the maps; levels: int32 [batch, n], which of the maps each is taken from,
    or None for the first. By rounding, samples of boxes that end at the right or bottom border may lie outside, where
    maps are taken for zero; with `exact_border` they do not. (TFOD's native and matmul crop_and_resize.)
    """
    batch, count = tf.unstack(tf.shape(boxes)[:2])
    flat = tf.reshape(boxes, [-1, 4])
    images = tf.repeat(tf.range(batch), count)
    if onnx_operations.are_needed():
        crops = _interpolate(maps, boxes, levels, size, exact_border)
    elif static_shapes.are_needed() or _must_be_deterministic_on_gpu():
        crops = _multiply(maps, boxes, levels, size)
    elif levels is None or len(maps) == 1:
        crops = _sample(maps[0], flat, images, size, exact_border)
    else:
        crops = _sample_each(maps, flat, images, tf.reshape(levels, [-1]), size, exact_border)
    channels = maps[0].shape[-1]
    n = -1 if boxes.shape[1] is None else boxes.shape[1]
    return tf.cast(tf.reshape(crops, [batch, n, size, size, channels]), maps[0].dtype)


def levels_of(boxes, num_levels: int, image_size):
    """The map from which each of boxes yxyx [batch, n, 4], normalized to the image, is cropped: int32 [batch, n].

    image_size: float32 [2]. A box of 224 x 224 pixels gets the last but one of the maps, one of half the side a map
    before it; empty boxes the first. (TFOD's fpn_feature_levels; Lin et al., 2017, count otherwise.)
    """
    side = tf.sqrt(tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1)) * tf.sqrt(tf.reduce_prod(image_size))
    octave = tf.math.floordiv(tf.math.log(tf.maximum(side / 224.0, 1e-30)), tf.math.log(2.0))
    return tf.clip_by_value(tf.cast(octave, tf.int32) + num_levels - 2, 0, num_levels - 1)


def _must_be_deterministic_on_gpu() -> bool:
    """There TensorFlow's own operation has no deterministic gradient, and refuses."""
    return are_operations_deterministic() and bool(tf.config.get_visible_devices("GPU"))


def _sample(features, boxes, images, size: int, exact_border: bool):
    """By TensorFlow's own operation: float32 [n, size, size, channels]."""
    features = tf.cast(features, tf.float32)
    if exact_border:
        # A copy of the last row and column: what rounding puts outside is still between two equal values.
        features = tf.concat([features, features[:, -1:]], axis=1)
        features = tf.concat([features, features[:, :, -1:]], axis=2)
        sides = tf.cast(tf.shape(features)[1:3], tf.float32)
        boxes *= tf.tile((sides - 2) / (sides - 1), [2])
    return _crop_and_resize(features, boxes, images, size)


def _crop_and_resize(features, boxes, images, size: int):
    """tf.image.crop_and_resize of float32 features, on CPUs with a gradient of our own.

    TensorFlow's for CPUs divides the boxes among threads that add to the same cells without a lock: what two threads
    add at once is lost, up to a sixth of the largest gradient with two threads, and another part each time. (TFOD
    trains with it.) Boxes get no gradient.
    """
    boxes, sides = tf.stop_gradient(boxes), [size, size]
    if tf.config.get_visible_devices("GPU"):
        return tf.image.crop_and_resize(features, boxes, images, sides)

    @tf.custom_gradient
    def exact(features):
        shape = tf.shape(features)
        return (
            tf.image.crop_and_resize(features, boxes, images, sides),
            lambda upstream: tf.ensure_shape(_spread(upstream, boxes, images, shape, size), features.shape),
        )

    return exact(features)


def _spread(crops, boxes, images, shape, size: int):
    """The transpose of sampling: adds crops [n, size, size, channels] up in maps of this shape, int32 [4].

    TensorFlow's product of a sparse matrix is computed by one thread, so the sums have one order.
    """
    batch, height, width, channels = tf.unstack(shape)
    rows, columns = (
        _neighbors(boxes[:, axis::2], size, side[None], False) for axis, side in enumerate((height, width))
    )
    inside = rows.inside[:, :, None] & columns.inside[:, None, :]
    down, right = rows.fraction[:, :, None], columns.fraction[:, None, :]
    cells, weights = [], []
    for row, share in ((rows.before, 1.0 - down), (rows.after, down)):
        for column, part in ((columns.before, 1.0 - right), (columns.after, right)):
            cells.append(((images[:, None] * height + row) * width)[:, :, None] + column[:, None, :])
            weights.append(tf.where(inside, share * part, 0.0))
    samples = tf.range(tf.size(inside))
    places = tf.stack([tf.reshape(cells, [-1]), tf.tile(samples, [4])], axis=-1)
    sums = tf.SparseTensor(
        tf.cast(places, tf.int64),
        tf.reshape(weights, [-1]),
        tf.cast([batch * height * width, tf.size(inside)], tf.int64),
    )
    return tf.reshape(tf.sparse.sparse_dense_matmul(sums, tf.reshape(crops, [-1, channels])), shape)


def _sample_each(maps: list, boxes, images, levels, size: int, exact_border: bool):
    """Each box from the map of its level, int32 [n]."""
    count = len(maps)
    boxes, images, places = (tf.dynamic_partition(x, levels, count) for x in (boxes, images, tf.range(tf.size(levels))))
    crops = [
        _sample(features, at, of, size, exact_border) for features, at, of in zip(maps, boxes, images, strict=True)
    ]
    return tf.dynamic_stitch(places, crops)


def _interpolate(maps: list, boxes, levels, size: int, exact_border: bool):
    """By reading the four cells around each sample: float32 [batch, n, size, size, channels].

    ONNX has TensorFlow's operation only as one that resizes a whole map for each box, in a loop.
    """
    batch, channels = tf.shape(boxes)[0], maps[0].shape[-1]
    sides = tf.stack([tf.shape(x)[1:3] for x in maps])  # [maps, 2]
    counts = sides[:, 0] * sides[:, 1]
    cells = tf.concat([tf.reshape(tf.cast(x, tf.float32), [batch, -1, channels]) for x in maps], axis=1)
    levels = tf.zeros_like(boxes[..., 0], tf.int32) if levels is None else levels
    side, first = tf.gather(sides, levels), tf.gather(tf.cumsum(counts, exclusive=True), levels)  # [batch, n, 2], [..]
    rows, columns = (_neighbors(boxes[..., axis::2], size, side[..., axis], exact_border) for axis in range(2))

    def at(row, column):
        places = (first[..., None] + row * side[..., 1:])[..., :, None] + column[..., None, :]  # [batch, n, size, size]
        found = tf.gather(cells, tf.reshape(places, [batch, -1]), batch_dims=1)
        return tf.reshape(found, [batch, -1, size, size, channels])

    right, down = columns.fraction[..., None, :, None], rows.fraction[..., :, None, None]
    top, bottom = (
        left + (at(row, columns.after) - left) * right
        for row, left in ((row, at(row, columns.before)) for row in (rows.before, rows.after))
    )
    inside = rows.inside[..., :, None] & columns.inside[..., None, :]
    return tf.where(inside[..., None], top + (bottom - top) * down, 0.0)


class _Neighbors(NamedTuple):
    """The cells before and after each sample, int32, how far it is from the first, and whether it is on the map."""

    before: tf.Tensor
    after: tf.Tensor
    fraction: tf.Tensor
    inside: tf.Tensor


def _neighbors(ends, size: int, side, exact_border: bool) -> _Neighbors:
    """Of samples between ends [batch, n, 2], normalized, in maps of `side` int32 [batch, n]: [batch, n, size] each."""
    last = tf.cast(side - 1, tf.float32)[..., None]
    start, end = (ends[..., i, None] for i in range(2))
    # In the order of TensorFlow's operation: the last bit decides whether a sample at the border lies outside. Division
    # by a constant would become multiplication by its reciprocal.
    if size > 1:
        steps = tf.where(start < float("inf"), size - 1.0, 1.0)
        places = start * last + tf.range(size, dtype=tf.float32) * ((end - start) * last / steps)
    else:
        places = 0.5 * (start + end) * last
    inside = (places >= 0) & (places <= last + (1.0 if exact_border else 0.0))
    places = tf.clip_by_value(places, 0.0, last)
    before = tf.floor(places)
    after = tf.minimum(tf.math.ceil(places), last)
    return _Neighbors(tf.cast(before, tf.int32), tf.cast(after, tf.int32), places - before, inside)


def _multiply(maps: list, boxes, levels, size: int):
    """By products with matrices that interpolate, which XLA compiles for static shapes; samples outside are zero."""
    shapes = [
        [known or dynamic for known, dynamic in zip(x.shape[1:3], tf.unstack(tf.shape(x)[1:3]), strict=True)]
        for x in maps
    ]
    crops: list = []
    for level, features in enumerate(maps):
        rows, columns = (
            _interpolation(boxes[..., axis::2], size, shapes[level][axis]) for axis in range(2)
        )  # [batch, n, size, rows], [batch, n, size, columns]
        if len(maps) > 1:
            rows *= tf.cast(levels == level, rows.dtype)[..., None, None]
        rows, columns = (tf.cast(x, features.dtype) for x in (rows, columns))
        across = tf.einsum("bnxw,bhwc->bnhxc", columns, features)
        crops.append(tf.einsum("bnyh,bnhxc->bnyxc", rows, across))
    return tf.add_n(crops)


def _interpolation(ends, size: int, side):
    """Weights of a map's `side` rows for each sample: ends [batch, n, 2], normalized, to [batch, n, size, side]."""
    first, last = (ends[..., i, None] * tf.cast(side - 1, tf.float32) for i in range(2))
    steps = tf.linspace(0.0, 1.0, size) if size > 1 else tf.constant([0.5])
    places = first + (last - first) * steps
    return tf.maximum(0.0, 1.0 - tf.abs(places[..., None] - tf.range(side, dtype=tf.float32)))
