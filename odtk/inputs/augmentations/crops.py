"""Random crops of the image and its boxes."""

import tensorflow as tf

from odtk.inputs import groundtruth, stateless_random

MAX_ATTEMPTS = 100

# The operations of ssd_random_crop and similar options if the config lists none (the SSD paper's, section 2.2).
SSD_CROPS = tuple(
    {
        "min_object_covered": covered,
        "min_aspect_ratio": 0.5,
        "max_aspect_ratio": 2.0,
        "min_area": 0.1,
        "max_area": 1.0,
        "overlap_thresh": covered,
        "random_coef": 0.15,
    }
    for covered in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
)


def random_crop_image(
    example: dict,
    seed,
    *,
    min_object_covered: float = 1.0,
    min_aspect_ratio: float = 0.75,
    max_aspect_ratio: float = 1.33,
    min_area: float = 0.1,
    max_area: float = 1.0,
    overlap_thresh: float = 0.3,
    clip_boxes: bool = True,
    random_coef: float = 0.0,
) -> dict:
    """Crops to a random window, except with probability `random_coef`.

    The window (sample_distorted_bounding_box, 100 attempts, then the whole image) covers at least `min_object_covered`
    of some box, has width / height within the aspect ratios and a fraction of the image's area in min_area..max_area.
    Boxes outside it are dropped, as are those with less than `overlap_thresh` of their area inside; others are clipped.
    """

    def crop() -> dict:
        begin, size, window = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(example["image"]),
            tf.clip_by_value(example["boxes"], 0.0, 1.0)[None],
            crop_seed,
            min_object_covered=min_object_covered,
            aspect_ratio_range=(min_aspect_ratio, max_aspect_ratio),
            area_range=(min_area, max_area),
            max_attempts=MAX_ATTEMPTS,
            use_image_if_no_bounding_boxes=True,
        )
        kept = _keep_in_window(example, window[0, 0], overlap_thresh, clip_boxes)
        return {**kept, "image": tf.ensure_shape(tf.slice(example["image"], begin, size), [None, None, 3])}

    if random_coef <= 0:
        crop_seed = seed
        return crop()
    coin_seed, crop_seed = stateless_random.split(seed, 2)
    (fraction,) = stateless_random.uniform(coin_seed, 1)
    return tf.cond(fraction > random_coef, crop, lambda: example)


def ssd_random_crop(example: dict, seed, *, operations: tuple[dict, ...] = ()) -> dict:
    """One of several random_crop_image, each equally likely; SSD_CROPS if `operations` is empty."""
    choice_seed, crop_seed = stateless_random.split(seed, 2)
    (fraction,) = stateless_random.uniform(choice_seed, 1)
    crops = operations or SSD_CROPS
    return stateless_random.one_of(
        fraction, [lambda crop=crop: random_crop_image(example, crop_seed, **crop) for crop in crops]
    )


def random_crop_to_aspect_ratio(
    example: dict, seed, *, aspect_ratio: float = 1.0, overlap_thresh: float = 0.3, clip_boxes: bool = True
) -> dict:
    """Crops to the largest window of width / height = `aspect_ratio`, at a random position along the cropped side.

    Boxes with less than `overlap_thresh` of their area inside are dropped; others are clipped to the window.
    """
    size = tf.shape(example["image"])[:2]
    height, width = tf.unstack(tf.cast(size, tf.float32))
    wide = width / height > aspect_ratio
    target = tf.stack([tf.where(wide, height, width / aspect_ratio), tf.where(wide, height * aspect_ratio, width)])
    target = tf.cast(tf.round(target), tf.int32)
    y, x = stateless_random.uniform(seed, 2)
    offset = stateless_random.integer_below(tf.stack([y, x]), 0, size - target + 1)
    window = tf.cast(tf.concat([offset, offset + target], 0), tf.float32) / tf.stack([height, width, height, width])
    kept = groundtruth.keep(example, groundtruth.covered(example["boxes"], window, overlap_thresh))
    image = tf.slice(example["image"], tf.concat([offset, [0]], 0), tf.concat([target, [3]], 0))
    return _in_window({**kept, "image": tf.ensure_shape(image, [None, None, 3])}, window, clip_boxes)


def ssd_random_crop_fixed_aspect_ratio(
    example: dict, seed, *, operations: tuple[dict, ...] = (), aspect_ratio: float = 1.0
) -> dict:
    """ssd_random_crop with windows of width / height = `aspect_ratio`, then random_crop_to_aspect_ratio for the rest.

    As in TFOD, the ratio is only used together with `operations`: without any, it is 1.
    """
    if not operations:
        aspect_ratio = 1.0
    fixed = {"min_aspect_ratio": aspect_ratio, "max_aspect_ratio": aspect_ratio}
    first, second = stateless_random.split(seed, 2)
    example = ssd_random_crop(example, first, operations=tuple({**crop, **fixed} for crop in operations or SSD_CROPS))
    return random_crop_to_aspect_ratio(example, second, aspect_ratio=aspect_ratio)


def _keep_in_window(example: dict, window, overlap_thresh: float, clip_boxes: bool) -> dict:
    boxes = example["boxes"]
    wanted = groundtruth.touches(boxes, window) & groundtruth.covered(boxes, window, overlap_thresh)
    return _in_window(groundtruth.keep(example, wanted), window, clip_boxes)


def _in_window(example: dict, window, clip_boxes: bool) -> dict:
    boxes = groundtruth.reframe(example["boxes"], window)
    return {**example, "boxes": groundtruth.clip_to_image(boxes) if clip_boxes else boxes}
