"""From pixels to the input ranges of CenterNet's backbones."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# Blue, green, red, as tf_keras.applications subtracts them.
_BGR_MEANS = (103.939, 116.779, 123.68)


def build_preprocess(
    means: Sequence[float], deviations: Sequence[float], swaps: bool, of_backbone: Callable = tf.identity
) -> Callable:
    """The function of images [batch, height, width, 3] in RGB 0..255 that TFOD's feature extractor applies.

    If `swaps`, to the order blue, green, red; then minus `means`, divided by `deviations` (three values or none: 0 and
    1); then `of_backbone`.
    """

    def preprocess(images):
        ordered = tf.reverse(images, [-1]) if swaps else images
        shifted = ordered - tf.constant(list(means) or [0.0], images.dtype)
        return of_backbone(shifted / tf.constant(list(deviations) or [1.0], images.dtype))

    return preprocess


def to_resnet_v1(images):
    """Swaps red and blue, whatever the order was, and subtracts means; no scaling (tf_keras's "caffe" mode)."""
    return tf.reverse(images, [-1]) - tf.constant(_BGR_MEANS, images.dtype)


def to_unit_range(images):
    """0..255 to -1..1 (tf_keras's "tf" mode)."""
    return images / 127.5 - 1.0
