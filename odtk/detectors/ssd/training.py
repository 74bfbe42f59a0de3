"""The parts of an SSD's loss, the anchors that it counts, and the background class."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from odtk.boxes.targets import Targets


@dataclass(frozen=True)
class Background:
    """The background's column among the logits; TFOD's fields of the same names.

    Without `added`, there are as many columns as classes and the groundtruth's first class has column 0; if the
    background is `explicit`, that column is not a class of the detections, otherwise there is no background.
    `as_zeros`: background anchors are trained as "no class" rather than as column 0.
    """

    added: bool = True
    explicit: bool = False
    as_zeros: bool = True

    def columns(self, num_classes: int) -> int:
        """The number of logits per anchor."""
        return num_classes + self.added

    def one_hot(self, classes, num_classes: int):
        """Classes int32 [batch, anchors], -1 for background, to classification targets [batch, anchors, columns]."""
        column = tf.where(classes < 0, -1 if self.as_zeros else 0, classes + int(self.added))
        return tf.one_hot(column, self.columns(num_classes))

    def positive(self, classes):
        """Whether sampling counts an anchor as positive, from classes int32 [...], -1 for background: bool [...].

        As in TFOD, which uses the targets: all anchors, if the background is trained as column 0.
        """
        return classes >= 0 if self.added or self.as_zeros else tf.ones_like(classes, tf.bool)

    def without(self, scores):
        """Scores [..., columns] without the background's column."""
        return scores[..., 1:] if self.added or self.explicit else scores


def by_confidence(assigned: Targets, class_targets, implicit_weight: float) -> tuple[Targets, tf.Tensor]:
    """The targets, and the classification targets [batch, anchors, columns] with an added background, by confidence.

    Anchors without a box are trained as column 0. Of a matched anchor, its class and the background have the weight 1
    and all else `implicit_weight`: class_weights are [batch, anchors, columns]. The weights of boxes do not count.
    (TFOD's batch_assign_confidences with confidences that are all 1, as its decoders give no others.)
    """
    columns = class_targets.shape[-1]
    background = tf.one_hot(tf.where(assigned.match < 0, 0, -1), columns)
    class_targets = tf.concat([background[..., :1], class_targets[..., 1:]], axis=-1)
    matched = tf.cast(assigned.match >= 0, tf.float32)
    explicit = matched[..., None] * tf.maximum(class_targets, tf.one_hot(0, columns))
    weights = (1 - implicit_weight) * explicit + implicit_weight
    return assigned._replace(class_weights=weights, box_weights=matched), class_targets


@dataclass(frozen=True)
class HardExampleMining:
    """TFOD's `hard_example_miner`; `by` is the loss that it ranks by: "both", "classification" or "localization"."""

    num_hard_examples: int = 64
    iou_threshold: float = 0.7
    by: str = "both"
    max_negatives_per_positive: int = 0
    min_negatives_per_image: int = 0


@dataclass(frozen=True)
class SsdTraining:
    """The parts of an SSD's loss; the functions are those of odtk.boxes and odtk.losses, with their parameters.

    `positive_fraction`: the fraction of positives among sampled anchors, None without sampling. `implicit_weight`: that
    of `by_confidence`, None without confidences.
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
    implicit_weight: float | None = None
