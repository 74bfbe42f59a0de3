"""Options that change pixel values; sizes and boxes are unchanged. All take and return 0..255, float32."""

import tensorflow as tf

from odtk.errors import ConfigError
from odtk.inputs import stateless_random


def random_adjust_brightness(example: dict, seed, *, max_delta: float = 0.2) -> dict:
    """Adds one number in [-max_delta, max_delta) * 255 to all pixels, clipped to 0..255."""
    return _recolor(example, _brightness(pixels(example), seed, max_delta))


def random_adjust_contrast(example: dict, seed, *, min_delta: float = 0.8, max_delta: float = 1.25) -> dict:
    """Scales each channel's distance from its mean by one factor in [min_delta, max_delta), clipped to 0..255."""
    return _recolor(example, _contrast(pixels(example), seed, min_delta, max_delta))


def random_adjust_hue(example: dict, seed, *, max_delta: float = 0.02) -> dict:
    """Rotates the hue by one fraction in [-max_delta, max_delta) of the color circle."""
    return _recolor(example, _hue(pixels(example), seed, max_delta))


def random_adjust_saturation(example: dict, seed, *, min_delta: float = 0.8, max_delta: float = 1.25) -> dict:
    """Multiplies the saturation (HSV) by one factor in [min_delta, max_delta), clipped to 0..255."""
    return _recolor(example, _saturation(pixels(example), seed, min_delta, max_delta))


def random_distort_color(example: dict, seed, *, color_ordering: int = 0) -> dict:
    """Brightness up to 32 of 255, contrast and saturation by 0.5..1.5, hue up to 0.2, one after another.

    `color_ordering` 0: brightness, saturation, hue, contrast; 1: brightness, contrast, saturation, hue. Raises
    ConfigError for any other.
    """
    orders = {0: "brightness saturation hue contrast", 1: "brightness contrast saturation hue"}
    if color_ordering not in orders:
        raise ConfigError(f"random_distort_color.color_ordering is {color_ordering}; it must be 0 or 1.")
    steps = {
        "brightness": lambda image, seed: _brightness(image, seed, 32 / 255),
        "contrast": lambda image, seed: _contrast(image, seed, 0.5, 1.5),
        "saturation": lambda image, seed: _saturation(image, seed, 0.5, 1.5),
        "hue": lambda image, seed: _hue(image, seed, 0.2),
    }
    image = pixels(example)
    for name, step_seed in zip(orders[color_ordering].split(), stateless_random.split(seed, 4), strict=True):
        image = steps[name](image, step_seed)
    return _recolor(example, image)


def random_rgb_to_gray(example: dict, seed, *, probability: float = 0.1) -> dict:
    """Replaces the three channels by their luma (0.2989 R + 0.587 G + 0.114 B) with `probability`."""
    (fraction,) = stateless_random.uniform(seed, 1)
    image = pixels(example)
    gray = lambda: tf.repeat(tf.image.rgb_to_grayscale(image), 3, axis=2)  # noqa: E731
    return _recolor(example, tf.cond(fraction > probability, lambda: image, gray))


def random_pixel_value_scale(example: dict, seed, *, minval: float = 0.9, maxval: float = 1.1) -> dict:
    """Multiplies every value of every pixel by a factor of its own in [minval, maxval), clipped to 0..255."""
    image = pixels(example)
    return _recolor(example, _clip(image * tf.random.stateless_uniform(tf.shape(image), seed, minval, maxval)))


def adjust_gamma(example: dict, seed, *, gamma: float = 1.0, gain: float = 1.0) -> dict:
    """gain * value ** gamma on values scaled to 0..1, clipped to 0..255; not random."""
    del seed
    return _recolor(example, _clip(tf.image.adjust_gamma(pixels(example) / 255, gamma, gain) * 255))


def normalize_image(
    example: dict,
    seed,
    *,
    original_minval: float = 0.0,
    original_maxval: float = 0.0,
    target_minval: float = 0.0,
    target_maxval: float = 1.0,
) -> dict:
    """Maps [original_minval, original_maxval] linearly to [target_minval, target_maxval]; not random."""
    del seed
    if original_maxval == original_minval:
        raise ConfigError(f"normalize_image has original_minval = original_maxval = {original_minval}; set both.")
    scale = (target_maxval - target_minval) / (original_maxval - original_minval)
    return _recolor(example, (pixels(example) - original_minval) * scale + target_minval)


def subtract_channel_mean(example: dict, seed, *, means: tuple[float, ...] = ()) -> dict:
    """Subtracts one number per channel; not random."""
    del seed
    if len(means) != 3:
        raise ConfigError(f"subtract_channel_mean.means has {len(means)} values; give three (red, green, blue).")
    return _recolor(example, pixels(example) - tf.constant(means))


def pixels(example: dict) -> tf.Tensor:
    """The example's image as float32; the geometric options leave it uint8, which is faster and gives the same."""
    return tf.cast(example["image"], tf.float32)


def _recolor(example: dict, image) -> dict:
    return {**example, "image": tf.ensure_shape(image, [None, None, 3])}


def _clip(image) -> tf.Tensor:
    return tf.clip_by_value(image, 0.0, 255.0)


def _brightness(image, seed, max_delta: float) -> tf.Tensor:
    (delta,) = stateless_random.uniform(seed, 1, -max_delta, max_delta)
    return _clip(image + delta * 255)


def _contrast(image, seed, low: float, high: float) -> tf.Tensor:
    (factor,) = stateless_random.uniform(seed, 1, low, high)
    return _clip(tf.image.adjust_contrast(image / 255, factor) * 255)


def _hue(image, seed, max_delta: float) -> tf.Tensor:
    (delta,) = stateless_random.uniform(seed, 1, -max_delta, max_delta)
    return _clip(tf.image.adjust_hue(image / 255, delta) * 255)


def _saturation(image, seed, low: float, high: float) -> tf.Tensor:
    (factor,) = stateless_random.uniform(seed, 1, low, high)
    return _clip(tf.image.adjust_saturation(image / 255, factor) * 255)
