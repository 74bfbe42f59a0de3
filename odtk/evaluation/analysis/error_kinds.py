"""What is wrong with each false positive and each missed object, in the six kinds of TIDE.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020, section 2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import UNMATCHED, Matching, overlaps
from odtk.evaluation.results import ImageResult

CLASSIFICATION, LOCALIZATION, BOTH = "classification", "localization", "both"
DUPLICATE, BACKGROUND, MISSED = "duplicate", "background", "missed"

MEANINGS = {
    CLASSIFICATION: "in the right place, with the wrong class",
    LOCALIZATION: "the right class, but the box fits badly",
    BOTH: "the wrong class, and the box fits badly",
    DUPLICATE: "an object that a surer detection has already found",
    BACKGROUND: "no object there",
    MISSED: "an object that no detection is about",
}
KINDS = tuple(MEANINGS)
CORRECT, IGNORED = "correct", "ignored"
"""What is no error: a detection that is right with its object; and what counts neither way."""

_LONGEST = f"<U{max(map(len, KINDS))}"

BACKGROUND_IOU = 0.1
"""The paper's t_b: a detection that overlaps every object by less is about none."""


@dataclass(frozen=True)
class Errors:
    """The kind of error of each row of a Matching."""

    kinds: np.ndarray  # str [D]: one of KINDS but MISSED, CORRECT or IGNORED
    targets: np.ndarray  # int [D]: row of the groundtruth that the detection is about; UNMATCHED of background
    truth_kinds: np.ndarray  # str [G]: CORRECT, IGNORED, MISSED, or CLASSIFICATION or LOCALIZATION: what is wrong with
    """the surest detection that is about it."""

    @property
    def missed(self) -> np.ndarray:
        """bool [G]: the objects that no detection is about."""
        return self.truth_kinds == MISSED

    @property
    def wrong(self) -> np.ndarray:
        """bool [D]: the false positives."""
        return ~np.isin(self.kinds, (CORRECT, IGNORED))

    def counts(self) -> dict[str, int]:
        """How often each of KINDS occurs."""
        return {kind: int((self.missed if kind == MISSED else self.kinds == kind).sum()) for kind in KINDS}


def classify_errors(images: Sequence[ImageResult], matching: Matching) -> Errors:
    """The kind of each false positive, and which objects are missed, at the matching's IoU (the paper's t_f, 0.5).

    A detection may meet the definition of several kinds; as in the authors' code it is then of the first of
    localization, classification, duplicate, background and both. An object that a detection of the wrong class or with
    a badly fitting box is about is not missed. Groundtruth that is ignored takes no part.
    """
    detected, truth, wrong = matching.detected, matching.truth, matching.detected.wrong
    kinds = np.where(detected.ignored, IGNORED, CORRECT).astype(_LONGEST)
    targets = detected.match.copy()
    ends = np.arange(len(images) + 1)
    firsts, truth_firsts = np.searchsorted(detected.image, ends), np.searchsorted(truth.image, ends)
    for number, image in enumerate(images):
        rows = np.arange(firsts[number], firsts[number + 1])
        rows = rows[wrong[rows]]
        truths = np.arange(truth_firsts[number], truth_firsts[number + 1])
        truths = truths[~truth.ignored[truths]]
        if len(rows):
            shared = overlaps(image, detected.index[rows], truth.index[truths])
            same = detected.classes[rows, None] == truth.classes[None, truths]
            kinds[rows], best = _kinds(shared, same, matching.iou)
            about = best != UNMATCHED
            targets[rows[about]] = truths[best[about]]
    return Errors(kinds, targets, _truth_kinds(matching, kinds, targets))


def _truth_kinds(matching: Matching, kinds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    truth = matching.truth
    found = np.where(truth.match == UNMATCHED, MISSED, CORRECT).astype(_LONGEST)
    rows = np.flatnonzero(np.isin(kinds, (CLASSIFICATION, LOCALIZATION)))
    rows = rows[truth.match[targets[rows]] == UNMATCHED]
    rows = rows[np.argsort(matching.detected.scores[rows], kind="stable")]
    found[targets[rows]] = kinds[rows]  # of several the last, which is the surest
    found[truth.ignored] = IGNORED
    return found


def _kinds(shared: np.ndarray, same: np.ndarray, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """The kind of false positives with these overlaps [D, G], and the column of the object that each is about."""
    if not shared.shape[1]:
        return np.full(len(shared), BACKGROUND), np.full(len(shared), UNMATCHED)
    least = min(iou, 1 - 1e-10)
    own, other = np.where(same, shared, 0), np.where(same, 0, shared)
    own_best, other_best = own.max(axis=1), other.max(axis=1)
    near, close = (own_best >= BACKGROUND_IOU) & (own_best < least), other_best >= least
    conditions = [near, close, own_best >= least, np.maximum(own_best, other_best) < BACKGROUND_IOU]
    kinds = np.select(conditions, [LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND], BOTH)
    targets = np.select(conditions, [own.argmax(axis=1), other.argmax(axis=1), own.argmax(axis=1), UNMATCHED],
                        other.argmax(axis=1))  # fmt: skip
    return kinds, targets
