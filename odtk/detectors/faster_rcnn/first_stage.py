"""The first stage of Faster R-CNN, after its network: anchors, proposals, targets and losses.

Boxes and anchors are in pixels of the resized images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from odtk import losses
from odtk.boxes import balanced_sampling, targets
from odtk.boxes.coding import FasterRcnnCoder
from odtk.boxes.geometry import clip, iou
from odtk.boxes.matching import argmax_match
from odtk.boxes.proposals import ProposalParams, Proposals, propose
from odtk.detectors.faster_rcnn.groundtruth import PixelGroundtruth, sides_of

# TFOD's, for both stages: no config changes them.
CODER = FasterRcnnCoder(10.0, 10.0, 5.0, 5.0)
MATCHED_THRESHOLD, UNMATCHED_THRESHOLD = 0.7, 0.3


@dataclass(frozen=True)
class Sampling:
    """How many of an image's anchors or proposals count, and which fraction of them is positive.

    If it is exact in training or in evaluation, the number always is `size` (see odtk.boxes.balanced_sampling).
    """

    size: int
    positive_fraction: float
    exact_in_training: bool = False
    exact_in_evaluation: bool = False

    def draw(self, positive, eligible, training: bool):
        """bool [batch, n], from bool [batch, n]."""
        exact = self.exact_in_training if training else self.exact_in_evaluation
        sample = balanced_sampling.sample_exactly if exact else balanced_sampling.sample
        return sample(positive, eligible, self.size, self.positive_fraction)


@dataclass(frozen=True)
class FirstStage:
    """The config's numbers. `anchors`: sizes of the maps to anchors yxyx [anchors, 4] in pixels, `per_location` a cell.

    `clips_anchors`: to the image in training, where those that reach over it are left out otherwise.
    """

    anchors: Callable
    per_location: int
    proposals: ProposalParams
    sampling: Sampling
    clips_anchors: bool = False
    localization_weight: float = 1.0
    objectness_weight: float = 1.0

    def anchors_of(self, maps: list, image_size, training: bool):
        """(anchors [anchors, 4], bool [anchors]: those that count) for images of `image_size` (int32 [2])."""
        sizes = [tf.unstack(tf.shape(m)[1:3]) if None in m.shape[1:3] else m.shape[1:3] for m in maps]
        anchors, height_width = self.anchors(sizes), sides_of(image_size)
        window = tf.concat([tf.zeros([2]), height_width[:2]], axis=0)
        if training and not self.clips_anchors:
            inside = tf.reduce_all((anchors[:, :2] >= 0) & (anchors[:, 2:] <= window[2:]), axis=-1)
            return anchors, inside
        return clip(anchors, window), tf.ones_like(anchors[:, 0], tf.bool)

    def decode(self, encodings, anchors):
        """Box encodings [batch, anchors, 4] to boxes."""
        return CODER.decode(encodings, anchors)

    def propose(self, boxes, objectness, counted, true_image_shapes) -> Proposals:
        """Of boxes [batch, anchors, 4] with logits [batch, anchors, 2]; only the `counted` anchors take part."""
        scores = tf.where(counted, tf.nn.softmax(objectness)[..., 1], -float("inf"))
        true_sides = sides_of(true_image_shapes[:, :2])
        windows = tf.concat([tf.zeros_like(true_sides[:, :2]), true_sides[:, :2]], axis=-1)
        return propose(boxes, scores, windows, self.proposals)

    def assign(self, anchors, counted, groundtruth: PixelGroundtruth) -> targets.Targets:
        """Targets of all anchors, of which those that do not count match nothing; class 0 is any object."""

        def similarity(boxes, anchors):
            return tf.where(counted, iou(boxes, anchors), -1.0)

        def match(similarity, valid):
            return argmax_match(similarity, valid, MATCHED_THRESHOLD, UNMATCHED_THRESHOLD, force_match=True)

        boxes, classes, weights, num_boxes = groundtruth
        return targets.assign(
            boxes, tf.zeros_like(classes), weights, num_boxes, anchors, similarity, match, CODER.encode
        )

    def losses(self, encodings, objectness, anchors, counted, groundtruth: PixelGroundtruth, training: bool):
        """(localization, objectness) of each image, float32 [batch] each, weighted."""
        assigned = self.assign(anchors, counted, groundtruth)
        positive = assigned.classes >= 0
        drawn = self.sampling.draw(positive, (assigned.class_weights != 0) & counted, training)
        sampled = tf.cast(drawn, tf.float32)
        normalizer = tf.maximum(tf.reduce_sum(sampled, axis=1), 1.0)
        localization = losses.smooth_l1(encodings, assigned.box_encodings, sampled * assigned.box_weights)
        columns = tf.one_hot(tf.cast(positive, tf.int32), 2)
        classification = losses.softmax_cross_entropy(objectness, columns, sampled)
        return (
            self.localization_weight * (tf.reduce_sum(localization, axis=1) / normalizer),
            self.objectness_weight * (tf.reduce_sum(classification, axis=1) / normalizer),
        )
