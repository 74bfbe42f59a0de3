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
    """Those of them without a detection of their own in the second: of the same class, in about the same place."""
    extra: int
    """Detections of the second with such a score and without one of their own in the first, such as duplicates."""
    boxes: float
    """The largest distance between sides of two boxes of one object, as a part of the image's; NaN if a side is."""
    scores: float
    """The largest difference between the two scores of one object; NaN if a score is."""

    def problems(self, tolerance: Tolerance) -> list[str]:
        """What is over the tolerance, in words; empty if nothing is. That nothing was compared is over any."""
        said = [] if self.objects else ["there is no object to find again, so nothing was compared"]
        # As `compare` counts: with such a tolerance, what is farther apart is another object.
        near = f" again with a box within {tolerance.boxes:g} of the image and a score within {tolerance.scores:g}"
        missing = "of {} objects are not found" + (near if tolerance.missing else "")
        for count, what in ((self.missing, missing), (self.extra, "are found in addition to {}")):
            if count > tolerance.missing * max(self.objects, 1):
                said.append(f"{count} {what.format(self.objects)} (accepted: {100 * tolerance.missing:.3g}%)")
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


def compare(exact: Sequence[Detections], others: Sequence[Detections], tolerance: Tolerance | None = None) -> Agreement:
    """The agreement of `others` with `exact`, image by image.

    A detection is paired with at most one of the other model, of the same class and an IoU of at least 0.5, the most
    alike in place and score first. So a box that suppression should have removed is found in addition.

    With a `tolerance` that lets objects be missing, two that are farther apart than it are no pair: each is missing or
    found in addition. Where boxes are rounded, suppression keeps one of two overlapping boxes here and drops it there,
    and what is left in its place has another score; how often is what counts then.
    """
    farthest = None if tolerance is None or not tolerance.missing else tolerance
    images = [_compare(*pair, farthest) for pair in zip(exact, others, strict=True)]
    distances = np.concatenate([each.distances for each in images]) if images else np.zeros([0, 2])
    # NumPy's maximum of numbers with a NaN is NaN.
    boxes, scores = distances.max(axis=0, initial=0.0).tolist()
    objects, missing, extra = (sum(each.counts[place] for each in images) for place in range(3))
    return Agreement(objects, missing, extra, boxes, scores)


@dataclass(frozen=True)
class _ImageAgreement:
    counts: tuple[int, int, int]  # objects, missing and extra ones
    distances: np.ndarray  # [pairs, 2], of boxes and of scores


def _compare(one: Detections, other: Detections, farthest: Tolerance | None) -> _ImageAgreement:
    objects, others = _objects(one), _objects(other)
    if not objects.any():  # the best detection of an image need not be an object to the other
        objects[:1] = True
    pairs = _pairs(one, other, objects, others, farthest)
    missing = int(objects.sum() - objects[pairs[:, 0]].sum())
    extra = int(others.sum() - others[pairs[:, 1]].sum())
    apart = one.boxes[pairs[:, 0]] - other.boxes[pairs[:, 1]], one.scores[pairs[:, 0]] - other.scores[pairs[:, 1]]
    distances = np.stack([np.abs(apart[0]).max(axis=1, initial=0.0), np.abs(apart[1])], axis=1)
    return _ImageAgreement((int(objects.sum()), missing, extra), distances)


def _objects(found: Detections) -> np.ndarray:
    """Which detections are objects: bool [N]. One whose score is not a number is none that may be left out."""
    return ~(found.scores < LEAST_SCORE)


def _pairs(
    one: Detections, other: Detections, objects: np.ndarray, others: np.ndarray, farthest: Tolerance | None
) -> np.ndarray:
    """The indices of detections that go together, at least one of them an object: [pairs, 2]."""
    overlaps, scores = _iou(one.boxes, other.boxes), np.abs(one.scores[:, None] - other.scores)
    possible = (one.classes[:, None] == other.classes) & (overlaps >= LEAST_IOU) & (objects[:, None] | others)
    if farthest is not None:
        boxes = np.abs(one.boxes[:, None] - other.boxes).max(axis=-1, initial=0.0)
        possible &= ~((scores > farthest.scores) | (boxes > farthest.boxes))  # a NaN stays a pair, to be refused
    apart = 1 - overlaps + scores
    candidates = np.argwhere(possible)
    taken: tuple[set[int], set[int]] = set(), set()
    pairs = []
    for first, second in candidates[np.argsort(apart[possible], kind="stable")].tolist():
        if first not in taken[0] and second not in taken[1]:
            taken[0].add(first)
            taken[1].add(second)
            pairs.append((first, second))
    return np.reshape(np.array(pairs, int), [-1, 2])


def _iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of boxes yxyx [n, 4] with others [m, 4]: [n, m]; NaN where a side is not a number."""
    first, second = boxes[:, None], others[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(each[..., 2:] - each[..., :2], axis=-1) for each in (first, second)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
