"""Noise, black patches, JPEG artifacts, and resizing of the whole image."""

import tensorflow as tf

from odtk import images
from odtk.errors import ConfigError
from odtk.inputs import stateless_random
from odtk.inputs.augmentations.color import pixels


def random_patch_gaussian(
    example: dict,
    seed,
    *,
    random_coef: float = 0.0,
    min_patch_size: int = 1,
    max_patch_size: int = 250,
    min_gaussian_stddev: float = 0.0,
    max_gaussian_stddev: float = 1.0,
) -> dict:
    """Adds Gaussian noise within one random square, except with probability `random_coef` (arXiv 1906.02611).

    The square's center is any pixel, its side in [min_patch_size, max_patch_size); the noise's deviation, in
    [min_gaussian_stddev, max_gaussian_stddev), is for values in 0..1, to which the square is clipped.
    """
    image, size = pixels(example), tf.shape(example["image"])[:2]
    draw_seed, noise_seed = stateless_random.split(seed, 2)
    coin, side, y, x, deviation = stateless_random.uniform(draw_seed, 5)

    def add_noise() -> tf.Tensor:
        length = stateless_random.integer_below(side, min_patch_size, max_patch_size)
        center = stateless_random.integer_below(tf.stack([y, x]), 0, size)
        stddev = min_gaussian_stddev + deviation * (max_gaussian_stddev - min_gaussian_stddev)
        noisy = image / 255 + tf.random.stateless_normal(tf.shape(image), noise_seed, stddev=stddev)
        inside = _square(size, center - length // 2, length)
        return tf.where(inside, tf.clip_by_value(noisy, 0.0, 1.0) * 255, image)

    return _repaint(example, tf.cond(coin > random_coef, add_noise, lambda: image))


def random_black_patches(
    example: dict,
    seed,
    *,
    max_black_patches: int = 10,
    probability: float = 0.5,
    size_to_image_ratio: float = 0.1,
) -> dict:
    """Blackens `max_black_patches` squares, each with `probability`; side: size_to_image_ratio of the short side."""
    size = tf.shape(example["image"])[:2]
    side = tf.cast(tf.cast(tf.reduce_min(size), tf.float32) * size_to_image_ratio, tf.int32)
    image = example["image"]
    fractions = tf.random.stateless_uniform([max_black_patches, 3], seed)
    for coin, y, x in (tf.unstack(row) for row in tf.unstack(fractions)):
        corner = tf.stack([y, x]) * (1 - size_to_image_ratio) * tf.cast(size, tf.float32)
        hit = _square(size, tf.cast(corner, tf.int32), side) & (coin <= probability)
        image = tf.where(hit, tf.zeros([], image.dtype), image)
    return _repaint(example, image)


def random_jpeg_quality(
    example: dict, seed, *, random_coef: float = 0.0, min_jpeg_quality: int = 0, max_jpeg_quality: int = 100
) -> dict:
    """Encodes as JPEG of a quality in [min_jpeg_quality, max_jpeg_quality) and decodes, except with `random_coef`."""
    coin, fraction = stateless_random.uniform(seed, 2)
    image = pixels(example)

    def encode_and_decode() -> tf.Tensor:
        quality = stateless_random.integer_below(fraction, min_jpeg_quality, max_jpeg_quality)
        values = tf.cast(tf.clip_by_value(image, 0.0, 255.0), tf.uint8)
        return tf.cast(tf.image.adjust_jpeg_quality(values, quality), tf.float32)

    return _repaint(example, tf.cond(coin > random_coef, encode_and_decode, lambda: image))


def random_downscale_to_target_pixels(
    example: dict,
    seed,
    *,
    random_coef: float = 0.0,
    min_target_pixels: int = 300_000,
    max_target_pixels: int = 800_000,
) -> dict:
    """Scales an image to a number of pixels in [min_target_pixels, max_target_pixels), if it has more.

    Except with probability `random_coef`.
    """
    option = "random_downscale_to_target_pixels"
    _check_size(option, min_target_pixels=min_target_pixels, max_target_pixels=max_target_pixels)
    if max_target_pixels <= min_target_pixels:
        least = f"min_target_pixels, {min_target_pixels}"
        raise ConfigError(f"{option}.max_target_pixels is {max_target_pixels}; it must be above {least}.")
    coin, fraction = stateless_random.uniform(seed, 2)
    image, size = pixels(example), tf.shape(example["image"])[:2]
    target = stateless_random.integer_below(fraction, min_target_pixels, max_target_pixels)
    area = tf.reduce_prod(size)
    scale = tf.sqrt(tf.cast(target, tf.float32) / tf.cast(area, tf.float32))
    smaller = tf.cast(scale * tf.cast(size, tf.float32), tf.int32)
    resized = tf.cond((coin >= random_coef) & (area > target), lambda: images.resize(image, smaller), lambda: image)
    return _repaint(example, resized)


def resize_image(example: dict, seed, *, new_height: int = 0, new_width: int = 0, method: int = 3) -> dict:
    """Stretches to [new_height, new_width] by the message's `method` (ResizeImage.Method); not random."""
    del seed
    _check_size("resize_image", new_height=new_height, new_width=new_width)
    name = {1: "area", 2: "bicubic", 3: "bilinear", 4: "nearest"}[method]
    return _repaint(example, images.resize(example["image"], (new_height, new_width), name))


def random_resize_method(example: dict, seed, *, target_height: int = 0, target_width: int = 0) -> dict:
    """Stretches to [target_height, target_width] by one of the four methods, each equally likely."""
    _check_size("random_resize_method", target_height=target_height, target_width=target_width)
    (fraction,) = stateless_random.uniform(seed, 1)
    size, image = (target_height, target_width), example["image"]
    resized = stateless_random.one_of(fraction, [lambda m=m: images.resize(image, size, m) for m in images.METHODS])
    return _repaint(example, resized)


def _square(size, corner, side) -> tf.Tensor:
    """Whether each pixel is in the square with this upper left corner (y, x): bool [height, width, 1]."""
    rows, columns = tf.range(size[0]), tf.range(size[1])
    in_rows = (rows >= corner[0]) & (rows < corner[0] + side)
    in_columns = (columns >= corner[1]) & (columns < corner[1] + side)
    return (in_rows[:, None] & in_columns[None, :])[..., None]


def _repaint(example: dict, image) -> dict:
    return {**example, "image": tf.ensure_shape(image, [None, None, 3])}


def _check_size(option: str, **sides: int) -> None:
    for name, value in sides.items():
        if value < 1:
            raise ConfigError(f"{option}.{name} is {value}; it must be at least 1.")
