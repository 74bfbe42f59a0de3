"""True positives, false positives and misses at one threshold, with precision, recall and F1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import UNMATCHED, Matching
from odtk.evaluation.analysis.rates import f1_of, precision_of, recall_of
from odtk.thresholds import reaches


@dataclass(frozen=True)
class Rates:
    """Precision, recall and F1; NaN where there is nothing to measure them on."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Outcomes:
    """Counts of each class, of detections with at least `threshold`."""

    iou: float
    threshold: float
    class_ids: tuple[int, ...]  # [C]
    right: np.ndarray  # int [C]: true positives
    wrong: np.ndarray  # int [C]: false positives
    missed: np.ndarray  # int [C]: false negatives

    @property
    def precision(self) -> np.ndarray:
        """[C], NaN for a class without detections."""
        return precision_of(self.right, self.wrong)

    @property
    def recall(self) -> np.ndarray:
        """[C], NaN for a class without objects."""
        return recall_of(self.right, self.missed)

    @property
    def f1(self) -> np.ndarray:
        """[C], NaN for a class without either."""
        return f1_of(self.right, self.wrong, self.missed)

    @property
    def micro(self) -> Rates:
        """Of all boxes together, so that a frequent class counts more."""
        right, wrong, missed = int(self.right.sum()), int(self.wrong.sum()), int(self.missed.sum())
        return Rates(
            float(precision_of(right, wrong)), float(recall_of(right, missed)), float(f1_of(right, wrong, missed))
        )

    @property
    def macro(self) -> Rates:
        """The mean over the classes with objects; the precision of one without detections counts as 0."""
        known = self.right + self.missed > 0
        if not known.any():
            return Rates(np.nan, np.nan, np.nan)
        means = (float(np.nan_to_num(column[known]).mean()) for column in (self.precision, self.recall, self.f1))
        return Rates(*means)


def count_outcomes(matching: Matching, class_ids: Sequence[int], threshold: float) -> Outcomes:
    """Counts these classes."""
    detected, truth = matching.detected, matching.truth
    kept = reaches(detected.scores, threshold)
    missed = ~truth.ignored & ~found_objects(matching, threshold)
    return Outcomes(
        iou=matching.iou,
        threshold=threshold,
        class_ids=tuple(class_ids),
        right=_count(detected.classes[kept & detected.right], class_ids),
        wrong=_count(detected.classes[kept & detected.wrong], class_ids),
        missed=_count(truth.classes[missed], class_ids),
    )


def found_objects(matching: Matching, threshold: float) -> np.ndarray:
    """bool [G]: the objects that a detection with at least `threshold` found."""
    found = matching.truth.match != UNMATCHED
    found[found] = reaches(matching.detected.scores[matching.truth.match[found]], threshold)
    return found


def _count(classes: np.ndarray, class_ids: Sequence[int]) -> np.ndarray:
    return np.array([int((classes == class_id).sum()) for class_id in class_ids], int)
