"""What errors cost: how mAP would rise if some of them were corrected."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odtk.evaluation.analysis.error_kinds import CLASSIFICATION, KINDS, LOCALIZATION, MISSED, Errors
from odtk.evaluation.analysis.matching import UNMATCHED, Matching

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Oracle:
    """Corrects any selection of errors as TIDE's oracles do (section 2.3), and measures mAP at the matching's IoU.

    A detection of the wrong class gets the right one, one that fits badly the right box; of several about one object
    only the surest counts, and none where the object is already found. Every other false positive is removed. Missed
    objects are taken from the number of objects to find; a class of which none is left has an AP of 1, so that each
    class has a cost. Classes without groundtruth are in no mean, as in COCO.
    """

    matching: Matching
    errors: Errors

    @cached_property
    def precisions(self) -> Mapping[int, float]:
        """Average precision of each class that has groundtruth, as it is."""
        return self._precisions(self._nothing, self._nothing_missed)

    @property
    def mean(self) -> float:
        """The mAP as it is; NaN without groundtruth."""
        return float(np.mean(list(self.precisions.values()))) if self.precisions else np.nan

    def gains(self, detections: np.ndarray | None = None, missed: np.ndarray | None = None) -> dict[int, float]:
        """How much AP of each class rises, if the errors among these detections [D] and objects [G] are corrected."""
        detections = self._nothing if detections is None else detections
        missed = self._nothing_missed if missed is None else missed
        corrected = self._precisions(detections, missed)
        return {class_id: corrected[class_id] - value for class_id, value in self.precisions.items()}

    def cost(self, detections: np.ndarray | None = None, missed: np.ndarray | None = None) -> float:
        """How much mAP rises, if the errors among these detections [D] and objects [G] are corrected."""
        return _mean(self.gains(detections, missed))

    def costs(self) -> dict[str, float]:
        """The cost of all errors of each of KINDS, each corrected alone: they do not add up."""
        return {kind: _mean(gains) for kind, gains in self.gains_by_kind.items()}

    @cached_property
    def gains_by_kind(self) -> Mapping[str, Mapping[int, float]]:
        """For each of KINDS, how much AP of each class rises without it."""
        return {
            kind: self.gains(missed=self.errors.missed) if kind == MISSED else self.gains(self.errors.kinds == kind)
            for kind in KINDS
        }

    @property
    def _nothing(self) -> np.ndarray:
        return np.zeros(len(self.errors.kinds), bool)

    @property
    def _nothing_missed(self) -> np.ndarray:
        return np.zeros(len(self.errors.missed), bool)

    def _precisions(self, selected: np.ndarray, missed: np.ndarray) -> dict[int, float]:
        detected, truth, errors = self.matching.detected, self.matching.truth, self.errors
        fixed = self._fixed(selected)
        classes = detected.classes.copy()
        classes[fixed] = truth.classes[errors.targets[fixed]]
        right = detected.right.copy()
        right[fixed] = True
        counted = ~detected.ignored & ~(selected & detected.wrong & ~fixed)
        missed = missed & errors.missed
        counts = np.bincount(truth.classes[~truth.ignored & ~missed], minlength=1)
        order = np.flatnonzero(counted)
        order = order[np.argsort(-detected.scores[order], kind="stable")]
        order = order[np.argsort(classes[order], kind="stable")]
        classes, right = classes[order], right[order]
        found = {}
        for class_id in np.unique(truth.classes[~truth.ignored]).tolist():
            start, end = np.searchsorted(classes, [class_id, class_id + 1])
            left = counts[class_id] if class_id < len(counts) else 0
            found[class_id] = average_precision(right[start:end], int(left)) if left else 1.0
        return found

    def _fixed(self, selected: np.ndarray) -> np.ndarray:
        """bool [D]: those that become true positives, the surest for each object."""
        errors, truth = self.errors, self.matching.truth
        fixed = np.zeros(len(selected), bool)
        rows = np.flatnonzero(selected & np.isin(errors.kinds, (CLASSIFICATION, LOCALIZATION)))
        rows = rows[truth.match[errors.targets[rows]] == UNMATCHED]
        rows = rows[np.argsort(-self.matching.detected.scores[rows], kind="stable")]
        _, first = np.unique(errors.targets[rows], return_index=True)
        fixed[rows[first]] = True
        return fixed


def _mean(gains: Mapping[int, float]) -> float:
    return float(np.mean(list(gains.values()))) if gains else 0.0


def average_precision(right: np.ndarray, num_objects: int) -> float:
    """COCO's AP of one class: precision at 101 recalls, of detections (right or not) of falling score."""
    if not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(hits / num_objects, _RECALLS, side="left")
    return float(np.where(at < len(right), precision[np.minimum(at, len(right) - 1)], 0).mean())
