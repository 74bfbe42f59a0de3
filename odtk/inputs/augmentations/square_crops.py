"""The two options that make square images of random scale (CenterNet's and EfficientDet's)."""

import tensorflow as tf

from odtk import images
from odtk.inputs import groundtruth, stateless_random
from odtk.inputs.augmentations import padding


def random_square_crop_by_scale(
    example: dict,
    seed,
    *,
    max_border: int = 128,
    scale_min: float = 0.6,
    scale_max: float = 1.3,
    num_scales: int = 8,
) -> dict:
    """Crops to a square around a random point; pixels outside the image are black.

    Its side is the long side times one of `num_scales` factors, evenly spaced from scale_min to scale_max. The center
    stays `max_border` pixels away from the image's edges, halved until each side is longer than twice
    that (CenterNet, arXiv 1904.07850). Boxes outside the square are dropped, others are clipped to it.
    """
    size = tf.shape(example["image"])[:2]
    choice, *fractions = stateless_random.uniform(seed, 3)
    scale = tf.linspace(scale_min, scale_max, num_scales)[stateless_random.integer_below(choice, 0, num_scales)]
    side = tf.cast(scale * tf.cast(tf.reduce_max(size), tf.float32), tf.int32)
    border = _border(max_border, size)
    center = stateless_random.integer_below(tf.stack(fractions), border, size - border + 1)
    begin, end = center - side // 2, center + side // 2
    # TFOD's square never includes the image's last row and column.
    inside_begin, inside_end = tf.maximum(begin, 0), tf.minimum(end, size - 1)
    image = example["image"][inside_begin[0] : inside_end[0], inside_begin[1] : inside_end[1]]
    image = images.pad_around(image, inside_begin - begin, [side, side])
    window = _relative(tf.concat([begin, begin + side], 0), size)
    return _cut({**example, "image": image}, groundtruth.reframe(example["boxes"], window))


def random_scale_crop_and_pad_to_square(
    example: dict, seed, *, output_size: int = 512, scale_min: float = 0.1, scale_max: float = 2.0
) -> dict:
    """Scales the long side to `output_size` times a factor in [scale_min, scale_max), then makes a square of it.

    A side longer than output_size is cropped at a random place, a shorter one padded with black at the bottom or right
    (EfficientDet, arXiv 1911.09070). Boxes outside the square are dropped, others are clipped to it.
    """
    scale, y, x = stateless_random.uniform(seed, 3)
    scale = scale_min + scale * (scale_max - scale_min)
    size = tf.cast(tf.shape(example["image"])[:2], tf.float32)
    scaled = tf.cast(scale * output_size * (size / tf.reduce_max(size)), tf.int32)
    room = tf.cast(tf.maximum(scaled - output_size, 0), tf.float32)
    offset = tf.cast(tf.stack([y, x]) * room, tf.int32)
    image = images.resize(example["image"], scaled)
    image = image[offset[0] : offset[0] + output_size, offset[1] : offset[1] + output_size]
    window = _relative(tf.concat([offset, offset + output_size], 0), scaled)
    boxes = groundtruth.reframe(example["boxes"], window)
    return _cut(padding.place({**example, "image": image}, [0, 0], [output_size, output_size]), boxes)


def _cut(example: dict, boxes) -> dict:
    example = groundtruth.keep({**example, "boxes": boxes}, groundtruth.touches(boxes, groundtruth.UNIT_WINDOW))
    return {**example, "boxes": groundtruth.clip_to_image(example["boxes"])}


def _relative(window, size) -> tf.Tensor:
    """A window [4] in pixels of an image of `size` (height, width), normalized to it."""
    return tf.cast(window, tf.float32) / tf.cast(tf.tile(size, [2]), tf.float32)


def _border(max_border: int, size) -> tf.Tensor:
    halvings = tf.math.ceil(tf.math.log(2.0 * max_border / tf.cast(size, tf.float32)) / tf.math.log(2.0))
    return max_border // tf.cast(tf.clip_by_value(tf.pow(2.0, halvings), 1, max_border), tf.int32)
