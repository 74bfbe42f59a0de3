"""TFOD's random sampling of negatives: how many it takes, and what is lost by it.

usage (from the repository's root, where `make tfod` has been): .tfod/bin/python tests/golden/from_tfod/sampling.py

Which negatives it takes is left to chance, how many is not. Losses are those of shares at which chance has no say: at 1
there is no negative, at a share close to 0 there are all of them, of images that have a positive.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from object_detection import model_lib, model_lib_v2
from object_detection.core.balanced_positive_negative_sampler import BalancedPositiveNegativeSampler
from training import TrainingRun

FRACTIONS = [0.01, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.7, 0.75, 0.9, 0.99, 1.0]
# Anchors of an image that are positive and that are negative, and how many of either do not count.
IMAGES = [(0, 50, 0, 0), (1, 99, 0, 9), (3, 60, 1, 20), (7, 7, 0, 0), (10, 2, 3, 0), (30, 0, 0, 0), (13, 200, 2, 50)]
# Where the background is no class, is added, and is one of the classes: there every anchor has a class.
VARIANTS = ["base", "softmax", "explicit_background", "explicit_background, not as zeros"]
ALL_NEGATIVES, NO_NEGATIVE = 1e-5, 1.0


def main() -> None:
    """Writes sampling.json beside this file."""
    written = {
        "counts": [counts(image, fraction) for image in IMAGES for fraction in FRACTIONS],
        "losses": [row for variant in VARIANTS for row in losses(variant)],
    }
    rows = {name: ",\n".join(json.dumps(row) for row in rows) for name, rows in written.items()}
    text = ",\n".join(f'"{name}": [\n{lines}\n]' for name, lines in rows.items())
    Path(__file__).with_suffix(".json").write_text(f"{{\n{text}\n}}\n")


def counts(image: tuple, fraction: float) -> dict:
    """What is kept of an image's anchors: positives first, then negatives, the last of either uncounted."""
    positives, negatives, positives_out, negatives_out = image
    labels = np.arange(positives + negatives) < positives
    counted = np.concatenate([_all_but_the_last(positives, positives_out), _all_but_the_last(negatives, negatives_out)])
    sampler = BalancedPositiveNegativeSampler(positive_fraction=fraction)
    kept = sampler.subsample(tf.constant(counted), None, tf.constant(labels)).numpy()
    return {
        "positive": labels.astype(int).tolist(),
        "counted": counted.astype(int).tolist(),
        "fraction": fraction,
        "kept": [int(kept[labels].sum()), int(kept[~labels].sum())],
    }


def losses(variant: str) -> list[dict]:
    """The losses of a variant's golden batch, and of the same where the second image has no box."""
    name, *not_as_zeros = variant.split(", ")
    run = TrainingRun(f"variants/{name}")
    run.load()
    if not_as_zeros:
        label = np.eye(1, run.model._unmatched_class_label.shape[0], dtype=np.float32)[0]
        run.model._unmatched_class_label = tf.constant(label)
    rows = []
    for boxes in ("all", "first image"):
        labels = dict(run.labels)
        if boxes == "first image":
            labels["num_groundtruth_boxes"] *= [1, 0]
        labels = model_lib.unstack_batch(labels, unpad_groundtruth_tensors=True)
        for fraction in (None, ALL_NEGATIVES, NO_NEGATIVE):
            sampler = None if fraction is None else BalancedPositiveNegativeSampler(positive_fraction=fraction)
            run.model._random_example_sampler = sampler
            found, _ = model_lib_v2._compute_losses_and_predictions_dicts(run.model, run.features, labels)
            found = {tag: float(found[f"Loss/{tag}_loss"]) for tag in ("localization", "classification")}
            rows.append({"variant": variant, "boxes": boxes, "fraction": fraction} | found)
    return rows


def _all_but_the_last(count: int, out: int) -> np.ndarray:
    return np.arange(count) < count - out


if __name__ == "__main__":
    main()
