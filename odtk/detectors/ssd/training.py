"""What an SSD is trained on: the parts of its loss, which anchors count, and where the background is."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Background:
    """The background's place among the logits; TFOD's fields of the same names.

    Without `added`, there are as many columns as classes and the groundtruth's first class has column 0; that column
    is no class of the detections where it is `explicit`, and where it is not, there is no background at all.
    `as_zeros`: an anchor of the background is trained as "no class" rather than as column 0.
    """

    added: bool = True
    explicit: bool = False
    as_zeros: bool = True

    def columns(self, num_classes: int) -> int:
        """Logits of each anchor."""
        return num_classes + self.added

    def one_hot(self, classes, num_classes: int):
        """Classes int32 [batch, anchors], -1 for background, to classification targets [batch, anchors, columns]."""
        column = tf.where(classes < 0, -1 if self.as_zeros else 0, classes + int(self.added))
        return tf.one_hot(column, self.columns(num_classes))

    def positive(self, classes):
        """Whether sampling takes an anchor for an object, from classes int32 [...], -1 for background: bool [...].

        As in TFOD, which looks at the targets: every anchor where a background of its own is trained as column 0.
        """
        return classes >= 0 if self.added or self.as_zeros else tf.ones_like(classes, tf.bool)

    def without(self, scores):
        """Scores [..., columns] of the classes alone."""
        return scores[..., 1:] if self.added or self.explicit else scores


@dataclass(frozen=True)
class HardExampleMining:
    """TFOD's `hard_example_miner`; `by` is "both", "classification" or "localization", the loss that is looked at."""

    num_hard_examples: int = 64
    iou_threshold: float = 0.7
    by: str = "both"
    max_negatives_per_positive: int = 0
    min_negatives_per_image: int = 0


@dataclass(frozen=True)
class SsdTraining:
    """How an SSD's loss is put together; the functions are those of odtk.boxes and odtk.losses, bound to numbers.

    `positive_fraction`: the positives' share of the anchors that count, None where all do.
    """

    similarity: Callable
    match: Callable
    localization_loss: Callable
    classification_loss: Callable
    unmatched_weight: float = 1.0
    localization_weight: float = 1.0
    classification_weight: float = 1.0
    normalize_by_num_matches: bool = True
    normalize_by_code_size: bool = False
    positive_fraction: float | None = None
    mining: HardExampleMining | None = None
