"""The groundtruth of a batch in the pixels of the resized images, padding included."""

from typing import NamedTuple

import tensorflow as tf

from odtk.boxes import targets


class PixelGroundtruth(NamedTuple):
    """boxes yxyx float32 [batch, n, 4] in pixels, classes int32 [batch, n], weights [batch, n], num_boxes [batch]."""

    boxes: tf.Tensor
    classes: tf.Tensor
    weights: tf.Tensor
    num_boxes: tf.Tensor


def in_pixels(groundtruth: dict, image_size) -> PixelGroundtruth:
    """Groundtruth as `Detector.loss_sums` takes it, for images of `image_size` (int32 [2])."""
    boxes, classes, weights = targets.trim(
        *(groundtruth[name] for name in ("boxes", "classes", "weights", "num_boxes"))
    )
    return PixelGroundtruth(boxes * sides_of(image_size), classes, weights, groundtruth["num_boxes"])


def sides_of(image_size):
    """int32 [..., 2] to float32 [..., 4], by which normalized boxes are multiplied: height, width, height, width."""
    return tf.cast(tf.concat([image_size, image_size], axis=-1), tf.float32)
