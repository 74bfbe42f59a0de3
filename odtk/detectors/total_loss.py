"""A detector's losses together with its regularization loss and their sum, under TFOD's tags."""

import tensorflow as tf

from odtk.detectors.detector import Detector

REGULARIZATION_LOSS = "Loss/regularization_loss"
TOTAL_LOSS = "Loss/total_loss"


def total_losses(
    detector: Detector, predictions: dict, groundtruth: dict, true_image_shapes, num_replicas: int = 1
) -> dict[str, tf.Tensor]:
    """The detector's own losses of a batch (see `Detector.losses`), REGULARIZATION_LOSS if it has one, and TOTAL_LOSS.

    Each of `num_replicas` that share a batch returns its part of every loss, so that the sum is the batch's.
    """
    losses = dict(detector.losses(predictions, groundtruth, true_image_shapes))
    if detector.add_regularization_loss:
        losses[REGULARIZATION_LOSS] = detector.regularization_loss()
    losses = {tag: loss / num_replicas for tag, loss in losses.items()}
    return losses | {TOTAL_LOSS: tf.add_n(list(losses.values()))}
