"""A detector's losses together with its regularization loss and their sum, under TFOD's tags."""

from collections.abc import Callable

import tensorflow as tf

from odtk.detectors.detector import Detector

REGULARIZATION_LOSS = "Loss/regularization_loss"
TOTAL_LOSS = "Loss/total_loss"


def logged_losses(detector: Detector) -> tuple[str, ...]:
    """The tags of `total_losses` but TOTAL_LOSS; as TFOD, a detector without regularization logs none of it."""
    return (*detector.loss_names, *([REGULARIZATION_LOSS] if detector.add_regularization_loss else []))


def total_losses(
    detector: Detector,
    predictions: dict,
    groundtruth: dict,
    true_image_shapes,
    num_replicas: int = 1,
    over_replicas: Callable = lambda value: value,
) -> dict[str, tf.Tensor]:
    """The detector's own losses of a batch (see `Detector.losses`), REGULARIZATION_LOSS if it has one, and TOTAL_LOSS.

    Each of `num_replicas` that share a batch returns its part of every loss, so that the sum is the batch's;
    `over_replicas` adds up a scalar of each.
    """
    found = detector.loss_sums(predictions, groundtruth, true_image_shapes)
    losses = found.divided(over_replicas(found.normalizer))
    if detector.add_regularization_loss:
        losses[REGULARIZATION_LOSS] = detector.regularization_loss() / num_replicas
    return losses | {TOTAL_LOSS: tf.add_n(list(losses.values()))}
