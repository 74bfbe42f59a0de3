"""Precision, recall and F1 when only detections of some confidence count, and the thresholds at which F1 is best."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import Matching
from odtk.evaluation.analysis.rates import f1_of, precision_of, recall_of
from odtk.thresholds import Thresholds, reaches

CONFIDENCES = np.linspace(0, 1, 201)
FEW_OBJECTS = 10
"""A threshold that is found on fewer is chance."""

_DEFAULT = 0.5  # where nothing is found at all
_MOST_DECIMALS = 9  # which tell any two numbers of float32 below 1 apart


@dataclass(frozen=True)
class ConfidenceCurve:
    """Precision, recall and F1 of the detections with at least each of CONFIDENCES, and the best threshold."""

    objects: int  # those that count
    precision: np.ndarray  # [201], NaN where there are no detections
    recall: np.ndarray  # [201], NaN without objects
    f1: np.ndarray  # [201]
    best: float | None  # the threshold with the greatest F1, of equal ones the highest; None if nothing is found
    best_f1: float


@dataclass(frozen=True)
class ConfidenceCurves:
    """The curves of each class that has objects, and that of all detections together (not a mean over classes)."""

    iou: float
    class_ids: tuple[int, ...]
    classes: tuple[ConfidenceCurve, ...]
    overall: ConfidenceCurve

    @property
    def chosen(self) -> float:
        """The threshold for all classes: the best one, or 0.5 if nothing is found."""
        return _DEFAULT if self.overall.best is None else self.overall.best

    def thresholds(self, name_of: Callable[[int], str], fewest: int = FEW_OBJECTS) -> Thresholds:
        """The best threshold of each class with at least `fewest` objects, and the overall one for all others."""
        own = {
            name_of(class_id): curve.best
            for class_id, curve in zip(self.class_ids, self.classes, strict=True)
            if curve.best is not None and curve.objects >= fewest
        }
        return Thresholds(self.chosen, own)


def confidence_curves(matching: Matching, class_ids: Sequence[int]) -> ConfidenceCurves:
    """The curves of these classes.

    Detections are matched once: by falling score, those below a threshold never change what those above it match.
    """
    detected, truth = matching.detected, matching.truth
    objects = {class_id: int(((truth.classes == class_id) & ~truth.ignored).sum()) for class_id in class_ids}
    with_objects = tuple(class_id for class_id in class_ids if objects[class_id])
    counted = ~detected.ignored
    curves = []
    for class_id in with_objects:
        own = counted & (detected.classes == class_id)
        curves.append(_curve(detected.scores[own], detected.right[own], objects[class_id]))
    overall = _curve(detected.scores[counted], detected.right[counted], int((~truth.ignored).sum()))
    return ConfidenceCurves(matching.iou, with_objects, tuple(curves), overall)


def _curve(scores: np.ndarray, right: np.ndarray, objects: int) -> ConfidenceCurve:
    """`scores`, and whether each detection is right."""
    order = np.argsort(-scores, kind="stable")
    scores = scores[order].astype(np.float32)
    hits = np.concatenate([[0], np.cumsum(right[order])])  # among the first n
    kept = np.searchsorted(-scores, -CONFIDENCES.astype(np.float32), side="right")
    found, wrong, missed = hits[kept], kept - hits[kept], objects - hits[kept]
    best, best_f1 = _best(scores, hits, objects)
    return ConfidenceCurve(
        objects, precision_of(found, wrong), recall_of(found, missed), f1_of(found, wrong, missed), best, best_f1
    )


def _best(scores: np.ndarray, hits: np.ndarray, objects: int) -> tuple[float | None, float]:
    """The best threshold, and its F1; `scores` fall, `hits` are the right ones among the first 0, 1, 2 ..."""
    # A threshold lies between different scores: after the last of equal ones.
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) if len(scores) else np.zeros(0, int)
    found = hits[ends + 1]
    if not objects or not found.any():
        return None, 0.0 if objects else math.nan
    f1 = f1_of(found, ends + 1 - found, objects - found)
    best = int(np.argmax(f1))
    end = int(ends[best])
    score = float(scores[end])
    # In the middle between two scores, so that it also fits others; below the last one nothing is known.
    below = float(scores[end + 1]) if end + 1 < len(scores) else None
    return _short_threshold(score, below), float(f1[best])


def _short_threshold(score: float, below: float | None) -> float:
    """The number with the fewest decimals, nearest to the middle, that `score` reaches and `below` does not."""
    middle = score if below is None else (below + score) / 2
    for decimals in range(1, _MOST_DECIMALS + 1):
        number = round(middle, decimals)
        if number > 0 and reaches(score, number) and (below is None or not reaches(below, number)):
            return number
    return score
