"""TFOD's losses of boxes and classes, and their gradients, built from config as TFOD builds them.

usage (from the repository's root, where `make tfod` has been):
.tfod/bin/python tests/golden/from_tfod/losses.py

The gradient is of the sum of all losses with respect to the predictions.
"""

import itertools
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from object_detection.builders import losses_builder
from object_detection.protos import losses_pb2

LOCALIZATION = [
    "weighted_l2 { }",
    "weighted_smooth_l1 { }",
    "weighted_smooth_l1 { delta: 0.3 }",
    "weighted_iou { }",
    "weighted_giou { }",
]
CLASSIFICATION = [
    "weighted_sigmoid { }",
    "weighted_sigmoid_focal { }",
    "weighted_sigmoid_focal { alpha: 0.25 }",
    "weighted_sigmoid_focal { gamma: 1.5 alpha: 0.75 }",
    "weighted_sigmoid_focal { gamma: 0 }",
    "weighted_softmax { }",
    "weighted_softmax { logit_scale: 4 }",
    "bootstrapped_sigmoid { alpha: 0.9 }",
    "bootstrapped_sigmoid { alpha: 0.9 hard_bootstrap: true }",
    "weighted_logits_softmax { }",
    "weighted_logits_softmax { logit_scale: 0.5 }",
    "penalty_reduced_logistic_focal_loss { }",
    "penalty_reduced_logistic_focal_loss { alpha: 2 beta: 4 }",
    "weighted_dice_classification_loss { }",
    "weighted_dice_classification_loss { squared_normalization: true }",
    "weighted_dice_classification_loss { is_prediction_probability: true }",
]
# What an encoding can be where it is read as ymin, xmin, ymax, xmax; each against each.
BOXES = [
    [0, 0, 2, 2],
    [1, 1, 3, 3],
    [0.5, 0.5, 1, 1],
    [0, 2, 2, 4],  # beside the first
    [5, 6, 7, 9],  # far from it
    [1, 1, 1, 1],  # a point
    [4, 4, 4, 4],
    [1, 0, 1, 2],  # a line
    [2, 0, 0, 2],  # upside down
    [2, 2, 0, 0],  # turned round: of positive area
    [0, 0, 0, 0],
    [1e-4, 1e-4, 2e-4, 3e-4],
]
LOGITS = [0, 1e-3, -1, 4, -20, 20, 100, -100]
CLASSES = 4


def main() -> None:
    """Writes losses.npz beside this file: the inputs, and each loss by its config."""
    rng = np.random.default_rng(21)
    pairs = np.float32(list(itertools.product(BOXES, BOXES)))
    drawn = rng.normal(0, 1, [56, 2, 4])
    boxes, target_boxes = np.concatenate([pairs, drawn]).astype(np.float32).reshape(2, -1, 2, 4).transpose(2, 0, 1, 3)
    logits = np.concatenate([rng.choice(LOGITS, [2, 20, CLASSES]), rng.normal(0, 3, [2, 20, CLASSES])], axis=1)
    # One-hot, or nothing at all: the background where its targets are zeros.
    classes = np.eye(CLASSES + 1, CLASSES, dtype=np.float32)[rng.integers(0, CLASSES + 1, logits.shape[:2])]
    written = {
        "boxes": boxes,
        "target_boxes": target_boxes,
        "box_weights": drawn_weights(rng, boxes),
        "logits": logits.astype(np.float32),
        "classes": classes,
        "class_weights": drawn_weights(rng, logits),
    }
    for config in LOCALIZATION:
        loss = built(f"localization_loss {{ {config} }} classification_loss {{ weighted_sigmoid {{ }} }}")[1]
        weights = written["box_weights"]
        written |= measured(f"localization_loss {{ {config} }}", loss, boxes, target_boxes, weights)
    for config in CLASSIFICATION:
        loss = built(f"classification_loss {{ {config} }} localization_loss {{ weighted_l2 {{ }} }}")[0]
        # As the target assigner gives them: one weight for each class of an anchor.
        weights = np.repeat(written["class_weights"][..., None], CLASSES, axis=-1)
        written |= measured(f"classification_loss {{ {config} }}", loss, written["logits"], classes, weights)
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **written)


def drawn_weights(rng: np.random.Generator, predictions: np.ndarray) -> np.ndarray:
    """[batch, anchors], now and then 0, and mostly no round number."""
    return rng.choice([0, 0.5, 1, 1.3, 1 / 3, 2.7], predictions.shape[:2]).astype(np.float32)


def built(text: str) -> tuple:
    """TFOD's classification loss, its localization loss, and what else its builder gives."""
    return losses_builder.build(text_format.Parse(text, losses_pb2.Loss()))


def measured(config: str, loss, predictions, targets, weights) -> dict[str, np.ndarray]:
    """The loss and its gradient, by the config's text."""
    predictions = tf.constant(predictions)
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        value = loss(predictions, tf.constant(targets), weights=tf.constant(weights))
    return {f"{config} value": value.numpy(), f"{config} gradient": tape.gradient(value, predictions).numpy()}


if __name__ == "__main__":
    main()
