"""What suppression keeps, under the names of TFOD's detections."""

import tensorflow as tf

from odtk.boxes.rows import take_rows
from odtk.boxes.suppression import Kept


def named(kept: Kept, all_scores) -> dict[str, tf.Tensor]:
    """The detections of a batch, and the scores of all columns at each: [batch, candidates, columns] `all_scores`."""
    filled = tf.sequence_mask(kept.count, tf.shape(kept.anchors)[1], dtype=tf.float32)
    return {
        "detection_boxes": kept.boxes,
        "detection_classes": kept.classes,
        "detection_scores": kept.scores,
        "detection_multiclass_scores": take_rows(all_scores, kept.anchors) * filled[..., None],
        "detection_anchor_indices": kept.anchors,
        "num_detections": tf.cast(kept.count, tf.float32),
    }
