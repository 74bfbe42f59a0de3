"""The second stage of Faster R-CNN, after its network: sampled proposals, targets and losses.

Boxes are in pixels of the resized images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from odtk import losses
from odtk.boxes import targets
from odtk.boxes.geometry import iou
from odtk.boxes.matching import argmax_match
from odtk.boxes.proposals import Proposals, select
from odtk.boxes.sampling import hard_examples
from odtk.detectors.faster_rcnn.first_stage import CODER, Sampling
from odtk.detectors.faster_rcnn.groundtruth import PixelGroundtruth

THRESHOLD = 0.5


@dataclass(frozen=True)
class Mining:
    """TFOD's `hard_example_miner`; `by` is the loss that it ranks by: "both", "classification" or "localization"."""

    num_hard_examples: int = 64
    iou_threshold: float = 0.7
    by: str = "both"


@dataclass(frozen=True)
class SecondStage:
    """The config's numbers. `classification_loss`: a function of odtk.losses with its parameters.

    `fills_up`: a sample that is too small repeats the best proposal, as TFOD's does with static shapes.
    """

    num_classes: int
    sampling: Sampling
    classification_loss: Callable
    localization_weight: float = 1.0
    classification_weight: float = 1.0
    mining: Mining | None = None
    fills_up: bool = False

    def assign(self, boxes, groundtruth: PixelGroundtruth) -> targets.Targets:
        """Targets of boxes [batch, n, 4]."""
        return targets.assign(*groundtruth, boxes, iou, _match, CODER.encode)

    def sample(self, proposals: Proposals, groundtruth: PixelGroundtruth) -> Proposals:
        """The proposals that are trained on; all of them with mining, which chooses by their losses later."""
        if self.mining is not None:
            return proposals
        assigned = self.assign(proposals.boxes, groundtruth)
        valid = tf.sequence_mask(proposals.count, tf.shape(proposals.boxes)[1])
        eligible = valid & (assigned.class_weights > 0)
        chosen = self.sampling.draw(assigned.classes >= 0, eligible, training=True)
        return select(proposals, chosen, self.sampling.size, self.fills_up)

    def losses(self, encodings, logits, boxes, count, groundtruth: PixelGroundtruth):
        """(localization, classification) of each image, float32 [batch] each, weighted.

        encodings: [batch, n, number of boxes, 4]; logits: [batch, n, columns], the background's first; boxes: the
        proposals [batch, n, 4], of which `count` int32 [batch] are real.
        """
        assigned = self.assign(boxes, groundtruth)
        columns = tf.one_hot(assigned.classes + 1, self.num_classes + 1)
        localization = losses.smooth_l1(
            _of_classes(encodings, assigned.classes), assigned.box_encodings, assigned.box_weights
        )
        classification = self._classification(logits, columns, assigned.class_weights)
        normalizer = tf.cast(tf.maximum(count, 1), tf.float32)[:, None]
        real = tf.sequence_mask(count, tf.shape(boxes)[1])
        kept = tf.cast(real, tf.float32)
        if self.mining is not None:
            kept = self._mined(boxes, localization, classification, real)
        return (
            self.localization_weight * tf.reduce_sum(localization / normalizer * kept, axis=1),
            self.classification_weight * tf.reduce_sum(classification / normalizer * kept, axis=1),
        )

    def _classification(self, logits, columns, weights):
        """The loss of each proposal, [batch, n]."""
        found = self.classification_loss(logits, columns, weights)
        return tf.reduce_sum(found, axis=-1) if found.shape.rank == 3 else found

    def _mined(self, boxes, localization, classification, real):
        """1 for proposals that count, else 0: float32 [batch, n]. As in TFOD, all are the first image's."""
        mining = self.mining
        assert mining is not None
        looked_at = {
            "both": self.classification_weight * classification + self.localization_weight * localization,
            "classification": classification,
            "localization": localization,
        }[mining.by]
        looked_at = tf.where(real, looked_at, -float("inf"))[:1]
        unmatched = tf.zeros_like(looked_at, tf.int32)
        kept = hard_examples(boxes[:1], looked_at, unmatched, mining.num_hard_examples, mining.iou_threshold)
        return tf.pad(kept, [[0, tf.shape(boxes)[0] - 1], [0, 0]])


def _match(similarity, valid):
    return argmax_match(similarity, valid, THRESHOLD, THRESHOLD)


def _of_classes(encodings, classes):
    """The encodings [batch, n, 4] for the class of each box, int32 [batch, n], from [batch, n, classes or 1, 4].

    Zeros for the background.
    """
    if encodings.shape[2] == 1:
        return encodings[:, :, 0]
    # A product, whose gradient is deterministic on every device.
    return tf.reduce_sum(encodings * tf.one_hot(classes, encodings.shape[2])[..., None], axis=2)
