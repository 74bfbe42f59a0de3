"""How far the detections of a network in low precision are from float32's, measured on a few images."""

import contextlib
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.errors import OdtkError
from odtk.inputs.build import build_eval_dataset

_IMAGES = 4
_LEAST_SCORE = 0.2
_LEAST_IOU = 0.5
_DRAWN = 640  # pixels, of images of detectors that take any size


@dataclass
class Agreement:
    """What was compared, and the largest differences."""

    images: int
    source: str
    """What they are: "evaluation records" or "drawn images"."""
    detections: int
    """Those of float32 with a score of at least 0.2, or each image's best if it has none."""
    not_found: int
    """Those of them without a detection of the same class in about the same place (IoU 0.5)."""
    pixels: float
    """The largest distance between the sides of two boxes, in pixels of the model's input."""
    score: float
    """The largest difference between two scores."""

    def in_words(self, precision: str) -> str:
        """A sentence."""
        missing = f"; {self.not_found} of them not found" if self.not_found else ""
        return (
            f"{precision} against float32 on {self.images} {self.source}, {self.detections} detections: boxes within "
            f"{self.pixels:.2g} pixels, scores within {self.score:.2g}{missing}."
        )


def measure(exact: Detector, detector: Detector, config) -> Agreement:
    """Compares `detector` with `exact`, of the same weights, on the config's evaluation records or on drawn images."""
    images, shapes, source = _images(exact, config)
    found = [{name: value.numpy() for name, value in each.detect(images, shapes).items()} for each in (exact, detector)]
    agreement = Agreement(len(shapes), source, 0, 0, 0.0, 0.0)
    for index, shape in enumerate(shapes.numpy()):
        ours, theirs = ({name: value[index] for name, value in each.items()} for each in found)
        _compare(ours, theirs, shape[:2], agreement)
    return agreement


def _compare(exact: dict, other: dict, size, agreement: Agreement) -> None:
    """Adds one image, whose detections are given."""
    exact, other = _real(exact), _real(other)
    chosen = max(int((exact["scores"] >= _LEAST_SCORE).sum()), 1)  # in the order of their scores
    for box, score, kind in list(zip(exact["boxes"], exact["scores"], exact["classes"], strict=True))[:chosen]:
        agreement.detections += 1
        same = other["classes"] == kind
        overlaps = np.where(same, _iou(box, other["boxes"]), 0.0)
        best = int(overlaps.argmax()) if len(overlaps) else 0
        if not len(overlaps) or overlaps[best] < _LEAST_IOU:
            agreement.not_found += 1
            continue
        distance = np.abs(box - other["boxes"][best]) * np.tile(size, 2)
        agreement.pixels = max(agreement.pixels, float(distance.max()))
        agreement.score = max(agreement.score, abs(float(score - other["scores"][best])))


def _real(detections: dict) -> dict[str, np.ndarray]:
    count = int(detections["num_detections"])
    return {name: detections[f"detection_{name}"][:count] for name in ("boxes", "scores", "classes")}


def _iou(box, others) -> np.ndarray:
    """Of one box yxyx with others [n, 4]: [n]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return shared / np.maximum(union, 1e-12)


def _images(detector: Detector, config) -> tuple[tf.Tensor, tf.Tensor, str]:
    """(images, true_image_shapes, what they are), resized."""
    taken: list[dict] = []
    if config.eval_input_reader:
        with contextlib.suppress(OdtkError, OSError, tf.errors.OpError):  # records that are not on this machine
            records = build_eval_dataset(config, detector.resize, detector.num_classes, 1, max_images=_IMAGES)
            taken = [features for features, _ in records]
    # Those of one size, where the detector takes several.
    fitting = [each for each in taken if each["image"].shape == taken[0]["image"].shape]
    if fitting:
        parts = [tf.concat([each[name] for each in fitting], axis=0) for name in ("image", "true_image_shape")]
        return *parts, "evaluation records"
    height, width = detector.image_size or (_DRAWN, _DRAWN)
    coarse = tf.random.stateless_uniform([_IMAGES, 8, 8, 3], (0, 1), 0.0, 255.0)
    resized = [detector.resize(image) for image in tf.image.resize(coarse, (height, width))]
    return tf.stack([image for image, _ in resized]), tf.stack([shape for _, shape in resized]), "drawn images"
