"""How far the detections of one model are from another's on the same images: whether both find the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from odtk.detections import Detections
from odtk.exporting.formats import Tolerance

LEAST_SCORE = 0.2
"""Of an object that must be found again; of an image without one, its best detection."""
LEAST_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """The objects of a model and of another one, and the largest differences between the two."""

    objects: int
    """Those of the first with a score of at least 0.2, or each image's best if it has none."""
    missing: int
    """Those of them without a detection of the same class in about the same place (IoU 0.5) in the second."""
    extra: int
    """Detections of the second with such a score, and without one in the first."""
    boxes: float
    """The largest distance between sides of two boxes of one object, as a part of the image's."""
    scores: float
    """The largest difference between two scores."""

    def problems(self, tolerance: Tolerance) -> list[str]:
        """What is over the tolerance, in words; empty if nothing is."""
        said = []
        for count, what in ((self.missing, "not found"), (self.extra, "found in addition")):
            if count > tolerance.missing * max(self.objects, 1):
                said.append(f"{count} of {self.objects} objects are {what} (accepted: {tolerance.missing:.0%})")
        for value, limit, what in (
            (self.boxes, tolerance.boxes, "boxes differ by up to {} of the image"),
            (self.scores, tolerance.scores, "scores differ by up to {}"),
        ):
            if not value <= limit:  # a NaN is a problem
                said.append(f"{what.format(f'{value:.2g}')} (accepted: {limit:g})")
        return said

    def in_words(self) -> str:
        """`34 of 34 objects, boxes within 2e-05 of the image, scores within 3e-06`."""
        extra = f" and {self.extra} more" if self.extra else ""
        return (
            f"{self.objects - self.missing} of {self.objects} objects{extra}, boxes within {self.boxes:.2g} of the "
            f"image, scores within {self.scores:.2g}"
        )


def compare(exact: Sequence[Detections], others: Sequence[Detections]) -> Agreement:
    """The agreement of `others` with `exact`, image by image."""
    pairs = list(zip(exact, others, strict=True))
    found = [_matches(one, other, _count(one)) for one, other in pairs]
    # An image without objects has only its best detection, which need not be an object to the other.
    back = [_matches(other, one, int((other.scores >= LEAST_SCORE).sum())) for one, other in pairs]
    distances = [distance for match in found for distance in match if distance is not None]
    return Agreement(
        objects=sum(len(match) for match in found),
        missing=sum(match.count(None) for match in found),
        extra=sum(match.count(None) for match in back),
        boxes=max((boxes for boxes, _ in distances), default=0.0),
        scores=max((scores for _, scores in distances), default=0.0),
    )


def _count(found: Detections) -> int:
    """How many of its detections, from the best, are objects."""
    return max(int((found.scores >= LEAST_SCORE).sum()), min(len(found), 1))


def _matches(one: Detections, other: Detections, count: int) -> list[tuple[float, float] | None]:
    """Of each of the best `count` objects its distance in boxes and scores to the other's nearest; None without one."""
    return [_match(one.boxes[index], one.classes[index], one.scores[index], other) for index in range(count)]


def _match(box: np.ndarray, kind: int, score: float, other: Detections) -> tuple[float, float] | None:
    overlaps = np.where(other.classes == kind, _iou(box, other.boxes), 0.0)
    if not len(overlaps) or not overlaps.max() >= LEAST_IOU:
        return None
    best = int(overlaps.argmax())
    return float(np.abs(box - other.boxes[best]).max()), abs(float(score - other.scores[best]))


def _iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of one box yxyx with others [n, 4]: [n]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return shared / np.maximum(union, 1e-12)
