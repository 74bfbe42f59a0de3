"""Decodes images, and resizes them to the detectors' input sizes with TFOD's sampling grid.

TFOD resizes with TensorFlow 1's sampling: output pixel i is read at input position i * in / out, without the half-pixel
offset of today's `tf.image.resize`. The two differ by up to one pixel, which changes the results of a trained detector,
so every function here states its grid. An image is `[height, width, channels]`; pixel values keep their range.
"""

import tensorflow as tf

_HEADER = 26  # bytes that hold the size in all formats but JPEG
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
# Of PNG, GIF and BMP: where in the header width and height are, and what each byte counts.
_BIG, _SMALL = (2**24, 2**16, 2**8, 1), (1, 2**8, 2**16, 2**24)
_NUMBERS = ((16, _BIG), (20, _BIG), (6, _SMALL[:2]), (8, _SMALL[:2]), (18, _SMALL), (22, _SMALL))
_PLACES = [[0] * start + [*counts] + [0] * (_HEADER - start - len(counts)) for start, counts in _NUMBERS]
_IS_SIGNED = [[False], [False], [True]]

# One gray pixel, without the tables by which it would be decoded.
_EMPTY_JPEG = bytes.fromhex("ffd8 ffc0000b080001000101011100 ffda0008010100003f00 ffd9")

METHODS = ("bilinear", "nearest", "bicubic", "area")


def decode(encoded, max_pixels: int | None = None) -> tf.Tensor:
    """JPEG, PNG, GIF (first frame) or BMP bytes (string scalar) to RGB uint8 [height, width, 3].

    Gray and CMYK images become RGB, an alpha channel is dropped. Raises tf.errors.InvalidArgumentError if the bytes are
    not such an image or if, by its header, it has more than `max_pixels`: a small file can fill the memory.
    """
    if max_pixels is not None:
        with tf.control_dependencies([_require_at_most(max_pixels, encoded_size(encoded))]):
            encoded = tf.identity(encoded)
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def encoded_size(encoded) -> tf.Tensor:
    """(width, height) int64 [2] in the header of JPEG, PNG, GIF or BMP bytes (string scalar); 0 for others."""
    is_jpeg = tf.io.is_jpeg(encoded)
    # Of others the size of an empty JPEG is read, and not used: the branches of a tf.cond are functions, with which a
    # dataset starts later. This operation copies no bytes where it is given scalars.
    jpeg = tf.raw_ops.Select(condition=is_jpeg, x=encoded, y=tf.constant(_EMPTY_JPEG))
    size = tf.cast(tf.io.extract_jpeg_shape(jpeg), tf.int64)[1::-1]
    return tf.where(is_jpeg, size, _size_in_header(encoded))


def _size_in_header(encoded) -> tf.Tensor:
    """(width, height) of PNG, GIF and BMP; 0 for others."""
    # Zeros follow what is shorter.
    header = tf.cast(tf.io.decode_raw(encoded, tf.uint8, fixed_length=_HEADER), tf.int64)
    sizes = tf.reshape(tf.linalg.matvec(tf.constant(_PLACES, tf.int64), header), [len(_MAGIC), 2])
    # A negative height of a BMP means that the rows start at the top.
    sizes = tf.where(tf.constant(_IS_SIGNED) & (sizes >= 2**31), 2**32 - sizes, sizes)
    begins = tf.fill([len(_MAGIC)], tf.strings.substr(encoded, 0, max(map(len, _MAGIC))))
    is_it = tf.strings.substr(begins, [0] * len(_MAGIC), list(map(len, _MAGIC))) == tf.constant(_MAGIC)
    return tf.reduce_sum(tf.where(tf.reshape(is_it, [-1, 1]), sizes, 0), axis=0)


def _require_at_most(max_pixels: int, size) -> tf.Operation:
    text = tf.strings.format("the image is {}x{}, more than " + f"{max_pixels} pixels", (size[0], size[1]))
    # By division, as a header can say sides whose product is no int64.
    is_small = size[0] <= max_pixels // tf.maximum(size[1], 1)
    # Not tf.debugging.Assert, whose message is another one outside of graphs.
    return tf.raw_ops.Assert(condition=is_small, data=[text])


def resize(image, size, method: str = "bilinear", align_corners: bool = False) -> tf.Tensor:
    """Resizes [height, width, channels] of any number type to float32 [*size, channels] on TensorFlow 1's grid.

    `size` is (height, width), ints or an int32 [2] tensor; `method` one of METHODS. `align_corners` maps the corner
    pixels' centers onto each other instead ((in - 1) / (out - 1)); "area" has no such mode.
    """
    size = tf.convert_to_tensor(size, tf.int32)
    # The kernels also take uint8, with the same result, but bilinear is twice as fast on floats.
    images = tf.expand_dims(tf.cast(image, tf.float32), 0)
    if method == "area":
        resized = tf.raw_ops.ResizeArea(images=images, size=size)
    else:
        operation = {
            "bilinear": tf.raw_ops.ResizeBilinear,
            "nearest": tf.raw_ops.ResizeNearestNeighbor,
            "bicubic": tf.raw_ops.ResizeBicubic,
        }[method]
        resized = operation(images=images, size=size, align_corners=align_corners, half_pixel_centers=False)
    return resized[0]


def keep_size(image) -> tuple[tf.Tensor, tf.Tensor]:
    """The image as float32 and its shape, int32 [3] (`identity_resizer`)."""
    return tf.cast(image, tf.float32), tf.shape(image)


def resize_to_fixed(image, height: int, width: int, method: str = "bilinear") -> tuple[tf.Tensor, tf.Tensor]:
    """Stretches to exactly [height, width] (`fixed_shape_resizer`): float32 image, true_image_shape int32 [3]."""
    resized = tf.ensure_shape(resize(image, (height, width), method), [height, width, image.shape[-1]])
    return resized, tf.shape(resized)


def resize_keeping_aspect_ratio(
    image,
    min_dimension: int,
    max_dimension: int,
    method: str = "bilinear",
    pad_to_max_dimension: bool = False,
    pad_value: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales so that the short side is `min_dimension`, or the long one `max_dimension` if it would be longer.

    With `pad_to_max_dimension` the result is [max_dimension, max_dimension, channels] (a static shape), filled with
    `pad_value` per channel at the bottom and right. Returns the float32 image and int32 [3], the shape without padding.
    """
    resized = resize(image, _size_within(tf.shape(image)[:2], min_dimension, max_dimension), method)
    resized = tf.ensure_shape(resized, [None, None, image.shape[-1]])
    true_shape = tf.shape(resized)
    if pad_to_max_dimension:
        resized = pad_bottom_right(resized, (max_dimension, max_dimension), pad_value)
        resized = tf.ensure_shape(resized, [max_dimension, max_dimension, image.shape[-1]])
    return resized, true_shape


def resize_long_side_down(image, max_dimension: int, method: str = "bilinear") -> tuple[tf.Tensor, tf.Tensor]:
    """Shrinks so that the long side is at most `max_dimension`, on the aligned-corners grid; leaves smaller ones."""
    long_side = tf.reduce_max(tf.shape(image)[:2])
    return _resize_by(image, tf.minimum(long_side, max_dimension) / long_side, method)


def resize_short_side_up(image, min_dimension: int, method: str = "bilinear") -> tuple[tf.Tensor, tf.Tensor]:
    """Enlarges so that the short side is at least `min_dimension`, on the aligned-corners grid; leaves larger ones."""
    short_side = tf.reduce_min(tf.shape(image)[:2])
    return _resize_by(image, tf.maximum(short_side, min_dimension) / short_side, method)


def pad_to_multiple(
    image, multiple: int, pad_value: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pads with zeros at the bottom and right until both sides divide by `multiple`; float32 image, shape before."""
    image = tf.cast(image, tf.float32)
    true_shape = tf.shape(image)
    return pad_bottom_right(image, -(-true_shape[:2] // multiple) * multiple, pad_value), true_shape


def pad_bottom_right(image, size, pad_value: tuple[float, ...] = (0.0, 0.0, 0.0)) -> tf.Tensor:
    """Pads a float32 image to `size` (height, width), with one value per channel."""
    return pad_around(image, (0, 0), size, tf.constant(pad_value, image.dtype) if any(pad_value) else None)


def pad_around(image, offset, size, color=None) -> tf.Tensor:
    """Pads an image to `size` (height, width) with `color` [channels] or 0; the image is at `offset` (y, x)."""
    inner = tf.shape(image)[:2]
    before = tf.convert_to_tensor(offset, tf.int32)
    after = tf.convert_to_tensor(size, tf.int32) - before - inner
    margins = tf.concat([tf.stack([before, after], axis=1), [[0, 0]]], axis=0)  # [3, 2]
    padded = tf.pad(image, margins)
    if color is not None:
        inside = tf.pad(tf.ones(tf.concat([inner, [1]], 0), tf.bool), margins)
        padded = tf.where(inside, padded, tf.cast(color, image.dtype))
    return tf.ensure_shape(padded, [None, None, image.shape[-1]])


def _size_within(size, min_dimension: int, max_dimension: int) -> tf.Tensor:
    sides = tf.cast(size, tf.float32)
    height, width = tf.unstack(sides)
    # Not by reductions: OpenVINO (2026.4) takes a constant that is divided by one for the divisor.
    by_short_side = tf.round(sides * (min_dimension / tf.minimum(height, width)))
    by_long_side = tf.round(sides * (max_dimension / tf.maximum(height, width)))
    return tf.cast(tf.where(tf.reduce_max(by_short_side) > max_dimension, by_long_side, by_short_side), tf.int32)


def _resize_by(image, ratio, method: str) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.cast(tf.cast(tf.shape(image)[:2], tf.float32) * tf.cast(ratio, tf.float32), tf.int32)
    resized = resize(image, size, method, align_corners=method != "area")
    resized = tf.ensure_shape(resized, [None, None, image.shape[-1]])
    return resized, tf.shape(resized)
