"""Options that pad and scale images, or place them on a larger canvas."""

import tensorflow as tf

from odtk import images
from odtk.errors import ConfigError
from odtk.inputs import groundtruth, stateless_random
from odtk.inputs.augmentations import crops
from odtk.inputs.augmentations.color import pixels

# Used if ssd_random_crop_pad lists no operations: SSD_CROPS without the first, padded to at most twice the size.
SSD_CROP_PADS = tuple(
    {**crop, "min_padded_size_ratio": (1.0, 1.0), "max_padded_size_ratio": (2.0, 2.0)} for crop in crops.SSD_CROPS[1:]
)


def random_pad_image(
    example: dict,
    seed,
    *,
    min_image_height: int = 0,
    min_image_width: int = 0,
    max_image_height: int = 0,
    max_image_width: int = 0,
    pad_color: tuple[float, ...] = (),
) -> dict:
    """Places the image at a random position on a larger canvas of random size.

    The canvas size is in [min_image_*, max_image_*) (0: the image's size, and twice the image's size), filled with
    `pad_color` or, without one, the image's mean color.
    """
    size = tf.shape(example["image"])[:2]
    smallest = tf.where([min_image_height > 0, min_image_width > 0], [min_image_height, min_image_width], size)
    largest = tf.where([max_image_height > 0, max_image_width > 0], [max_image_height, max_image_width], size * 2)
    return _pad_between(example, seed, smallest, largest, _checked_color("random_pad_image", pad_color))


def random_absolute_pad_image(
    example: dict, seed, *, max_height_padding: int = 0, max_width_padding: int = 0, pad_color: tuple[float, ...] = ()
) -> dict:
    """random_pad_image with a canvas larger by less than max_height_padding and max_width_padding."""
    if min(max_height_padding, max_width_padding) < 1:
        raise ConfigError("random_absolute_pad_image needs max_height_padding and max_width_padding of at least 1.")
    size = tf.shape(example["image"])[:2]
    largest = size + tf.constant([max_height_padding, max_width_padding])
    return _pad_between(example, seed, size, largest, _checked_color("random_absolute_pad_image", pad_color))


def random_crop_pad_image(
    example: dict,
    seed,
    *,
    min_padded_size_ratio: tuple[float, ...] = (),
    max_padded_size_ratio: tuple[float, ...] = (),
    pad_color: tuple[float, ...] = (),
    **crop,
) -> dict:
    """random_crop_image (with the options in `crop`), then random_pad_image.

    The canvas size is from min_padded_size_ratio (1, 1) to max_padded_size_ratio (2, 2), (height, width) times that of
    the image before cropping; `pad_color` as in random_pad_image.
    """
    before = tf.cast(tf.shape(example["image"])[:2], tf.float32)
    crop_seed, pad_seed = stateless_random.split(seed, 2)
    example = crops.random_crop_image(example, crop_seed, **crop)
    smallest = tf.cast(before * _pair("min_padded_size_ratio", min_padded_size_ratio, (1.0, 1.0)), tf.int32)
    largest = tf.cast(before * _pair("max_padded_size_ratio", max_padded_size_ratio, (2.0, 2.0)), tf.int32)
    return _pad_between(example, pad_seed, smallest, largest, _checked_color("random_crop_pad_image", pad_color))


def ssd_random_crop_pad(example: dict, seed, *, operations: tuple[dict, ...] = ()) -> dict:
    """One of several random_crop_pad_image, each equally likely; SSD_CROP_PADS if `operations` is empty.

    An operation's color is (pad_color_r, pad_color_g, pad_color_b), black where unset.
    """
    choice_seed, pad_seed = stateless_random.split(seed, 2)
    (fraction,) = stateless_random.uniform(choice_seed, 1)
    steps = [_with_pad_color(operation) for operation in operations] or SSD_CROP_PADS
    return stateless_random.one_of(
        fraction, [lambda step=step: random_crop_pad_image(example, pad_seed, **step) for step in steps]
    )


def ssd_random_crop_pad_fixed_aspect_ratio(
    example: dict,
    seed,
    *,
    operations: tuple[dict, ...] = (),
    aspect_ratio: float = 1.0,
    min_padded_size_ratio: tuple[float, ...] = (),
    max_padded_size_ratio: tuple[float, ...] = (),
) -> dict:
    """ssd_random_crop, then zeros at the bottom and right to width / height = `aspect_ratio` (0 means 1).

    The canvas is the smallest of that ratio that holds the image, times a random scale that keeps its sides within
    min_padded_size_ratio (1, 1) and max_padded_size_ratio (2, 2) of the image's, as far as the ratio allows.
    """
    crop_seed, scale_seed = stateless_random.split(seed, 2)
    example = crops.ssd_random_crop(example, crop_seed, operations=operations)
    side = tf.cast(tf.shape(example["image"])[:2], tf.float32)
    aspect_ratio = aspect_ratio or 1.0
    target = tf.stack([tf.maximum(side[0], side[1] / aspect_ratio), tf.maximum(side[1], side[0] * aspect_ratio)])
    smallest = tf.maximum(side * _pair("min_padded_size_ratio", min_padded_size_ratio, (1.0, 1.0)), target) / target
    largest = tf.maximum(side * _pair("max_padded_size_ratio", max_padded_size_ratio, (2.0, 2.0)), target) / target
    high = tf.reduce_min(largest)
    low = tf.minimum(high, tf.reduce_max(smallest))
    (fraction,) = stateless_random.uniform(scale_seed, 1)
    size = tf.cast(tf.round((low + fraction * (high - low)) * target), tf.int32)
    return place(example, [0, 0], size)


def random_image_scale(example: dict, seed, *, min_scale_ratio: float = 0.5, max_scale_ratio: float = 2.0) -> dict:
    """Resizes both sides by one factor in [min_scale_ratio, max_scale_ratio), bilinear with aligned corners."""
    (ratio,) = stateless_random.uniform(seed, 1, min_scale_ratio, max_scale_ratio)
    size = tf.cast(tf.cast(tf.shape(example["image"])[:2], tf.float32) * ratio, tf.int32)
    resized = images.resize(example["image"], size, align_corners=True)
    return {**example, "image": tf.ensure_shape(resized, [None, None, 3])}


def place(example: dict, offset, size, color=None) -> dict:
    """The example with its image at `offset` (y, x) on a canvas of `size` (height, width), and its boxes moved."""
    inner = tf.shape(example["image"])[:2]
    offset, size = tf.convert_to_tensor(offset, tf.int32), tf.convert_to_tensor(size, tf.int32)
    window = tf.cast(tf.concat([-offset, size - offset], 0), tf.float32) / tf.cast(tf.tile(inner, [2]), tf.float32)
    image = images.pad_around(example["image"] if color is None else pixels(example), offset, size, color)
    return {**example, "image": image, "boxes": groundtruth.reframe(example["boxes"], window)}


def _pad_between(example: dict, seed, smallest, largest, color) -> dict:
    size = tf.shape(example["image"])[:2]
    smallest, largest = tf.maximum(smallest, size), tf.maximum(largest, size)
    # If the minimum exceeds the maximum, TFOD takes the maximum.
    smallest = tf.minimum(smallest, largest)
    fractions = tf.random.stateless_uniform([2, 2], seed)
    canvas = stateless_random.integer_below(fractions[0], smallest, largest)
    offset = stateless_random.integer_below(fractions[1], 0, canvas - size)
    if color is None:
        color = tf.reduce_mean(pixels(example), axis=[0, 1])
    return place(example, offset, canvas, color)


def _checked_color(option: str, pad_color: tuple[float, ...]) -> tuple[float, ...] | None:
    if len(pad_color) not in (0, 3):
        raise ConfigError(f"{option}.pad_color has {len(pad_color)} values; give three (red, green, blue) or none.")
    return pad_color or None


def _pair(field: str, values: tuple[float, ...], default: tuple[float, float]) -> tf.Tensor:
    if len(values) not in (0, 2):
        raise ConfigError(f"{field} has {len(values)} values; give two (height, width) or none.")
    return tf.constant(values or default, tf.float32)


def _with_pad_color(operation: dict) -> dict:
    channels = ("pad_color_r", "pad_color_g", "pad_color_b")
    rest = {name: value for name, value in operation.items() if name not in channels}
    return {**rest, "pad_color": tuple(operation.get(channel, 0.0) for channel in channels)}
