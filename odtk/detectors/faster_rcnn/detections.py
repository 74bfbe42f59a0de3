"""From the second stage's boxes and logits to detections."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from odtk.boxes.suppression import SuppressionParams, class_agnostic_suppression, multiclass_suppression
from odtk.detectors.faster_rcnn.groundtruth import sides_of
from odtk.detectors.parts.kept_detections import named


@dataclass(frozen=True)
class Detections:
    """The config's numbers. `scores`: logits [..., columns] to scores of the same shape.

    `adds_features` and `adds_crops` name TFOD's further outputs: the second stage's features at each detection, and the
    crops from which they are computed.
    """

    suppression: SuppressionParams
    scores: Callable
    class_agnostic: bool = False
    adds_features: bool = False
    adds_crops: bool = False

    def find(self, boxes, logits, count, true_image_shapes) -> dict[str, tf.Tensor]:
        """Detections under TFOD's names.

        boxes: yxyx in pixels [batch, n, classes or 1, 4]; logits: [batch, n, columns], the background's first; the
        first `count` int32 [batch] of the n proposals are real.
        """
        all_scores, sides = self.scores(logits), sides_of(true_image_shapes[:, :2])
        real = tf.sequence_mask(count, tf.shape(logits)[1])
        scores = tf.where(real[..., None], all_scores[..., 1:], -float("inf"))
        window = tf.concat([tf.zeros_like(sides[:, :2]), sides[:, :2]], axis=-1)
        suppress = class_agnostic_suppression if self.class_agnostic else multiclass_suppression
        kept = suppress(boxes[:, :, 0] if boxes.shape[2] == 1 else boxes, scores, window, self.suppression)
        return named(kept, all_scores) | {
            "raw_detection_boxes": tf.clip_by_value(self.best_boxes(boxes, logits) / sides[:, None], 0.0, 1.0),
            "raw_detection_scores": all_scores,
        }

    def best_boxes(self, boxes, logits):
        """Each proposal's box for the class with the largest logit, the background aside: [batch, n, 4]."""
        if boxes.shape[2] == 1:
            return boxes[:, :, 0]
        return tf.gather(boxes, tf.argmax(logits[..., 1:], axis=-1), batch_dims=2)
