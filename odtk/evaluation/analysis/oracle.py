"""What errors cost: how mAP would rise if some of them were corrected."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odtk.evaluation.analysis.average_precision import RECALLS
from odtk.evaluation.analysis.error_kinds import CLASSIFICATION, KINDS, LOCALIZATION, MISSED, Errors
from odtk.evaluation.analysis.matching import UNMATCHED, Matching


@dataclass(frozen=True)
class Oracle:
    """Corrects any selection of errors as TIDE's oracles do (section 2.3), and measures mAP at the matching's IoU.

    A detection of the wrong class gets the right one, one that fits badly the right box; of several about one object
    only the surest counts, and none where the object is already found. Every other false positive is removed. Missed
    objects are taken from the number of objects to find; a class of which none is left has an AP of 1, so that each
    class has a cost. Classes without groundtruth are in no mean, as in COCO.

    The authors' code (tidecv) differs in that an object with errors of both kinds, classification and localization, is
    only found when the kind of the surer one is corrected; it counts classes without groundtruth, and those of which
    none is left, with an AP of 0.
    """

    matching: Matching
    errors: Errors

    @cached_property
    def precisions(self) -> Mapping[int, float]:
        """Average precision of each class that has groundtruth, as it is."""
        counted = self.matching.truth.classes[~self.matching.truth.ignored]
        return self._precisions(np.unique(counted).tolist(), self._no_detection, self._no_object)

    @property
    def mean(self) -> float:
        """The mAP as it is; NaN without groundtruth."""
        return float(np.mean(list(self.precisions.values()))) if self.precisions else np.nan

    def gains(self, detections: np.ndarray | None = None, missed: np.ndarray | None = None) -> dict[int, float]:
        """How much AP of each class rises, if the errors among these detections [D] and objects [G] are corrected."""
        detections = self.errors.wrong & (self._no_detection if detections is None else detections)
        missed = self.errors.missed & (self._no_object if missed is None else missed)
        truths = self.matching.truth.classes
        targets = self.errors.targets[detections]
        parts = (self.matching.detected.classes[detections], truths[targets[targets != UNMATCHED]], truths[missed])
        changed = set(np.concatenate(parts).tolist()) & set(self.precisions)
        corrected = self._precisions(changed, detections, missed)
        return {class_id: corrected.get(class_id, value) - value for class_id, value in self.precisions.items()}

    def cost(self, detections: np.ndarray | None = None, missed: np.ndarray | None = None) -> float:
        """How much mAP rises, if the errors among these detections [D] and objects [G] are corrected."""
        return _mean(self.gains(detections, missed))

    @cached_property
    def gains_by_kind(self) -> Mapping[str, Mapping[int, float]]:
        """For each of KINDS, how much AP of each class rises without errors of this kind."""
        return {
            kind: self.gains(missed=self.errors.missed) if kind == MISSED else self.gains(self.errors.kinds == kind)
            for kind in KINDS
        }

    def costs(self) -> dict[str, float]:
        """How much mAP rises without errors of each of KINDS, each corrected alone: these do not add up."""
        return {kind: _mean(gains) for kind, gains in self.gains_by_kind.items()}

    @property
    def _no_detection(self) -> np.ndarray:
        return np.zeros(len(self.errors.kinds), bool)

    @property
    def _no_object(self) -> np.ndarray:
        return np.zeros(len(self.errors.truth_kinds), bool)

    @cached_property
    def _surest_first(self) -> np.ndarray:
        return np.argsort(-self.matching.detected.scores, kind="stable")

    def _precisions(self, class_ids: Iterable[int], selected: np.ndarray, missed: np.ndarray) -> dict[int, float]:
        """AP of these classes without the selected false positives [D] and missed objects [G]."""
        detected, truth = self.matching.detected, self.matching.truth
        fixed = self._fixed(selected)
        classes = detected.classes.copy()
        classes[fixed] = truth.classes[self.errors.targets[fixed]]
        order = self._surest_first
        order = order[(~detected.ignored & (~selected | fixed))[order]]
        classes, right = classes[order], (detected.right | fixed)[order]
        objects = truth.classes[~truth.ignored & ~missed]
        return {
            class_id: average_precision(right[classes == class_id], int((objects == class_id).sum()))
            for class_id in class_ids
        }

    def _fixed(self, selected: np.ndarray) -> np.ndarray:
        """bool [D]: those of the selected that become true positives, the surest for each object."""
        errors, fixed = self.errors, self._no_detection
        correctable = selected & np.isin(errors.kinds, (CLASSIFICATION, LOCALIZATION))
        rows = self._surest_first[correctable[self._surest_first]]
        rows = rows[self.matching.truth.match[errors.targets[rows]] == UNMATCHED]
        fixed[rows[np.unique(errors.targets[rows], return_index=True)[1]]] = True
        return fixed


def average_precision(right: np.ndarray, num_objects: int) -> float:
    """COCO's AP of one class: mean precision at 101 recalls, of detections (right or not) of falling score.

    It is 1 if there is no object to find.
    """
    if not num_objects or not len(right):
        return float(not num_objects)
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(hits / num_objects, RECALLS, side="left")
    return float(np.where(at < len(right), precision[np.minimum(at, len(right) - 1)], 0).mean())


def _mean(gains: Mapping[int, float]) -> float:
    return float(np.mean(list(gains.values()))) if gains else 0.0
