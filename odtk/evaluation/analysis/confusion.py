"""The confusion matrix of classes and background, at one threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.matching import Matching, overlaps
from odtk.evaluation.analysis.outcomes import found_objects
from odtk.evaluation.results import Results
from odtk.thresholds import reaches


@dataclass(frozen=True)
class Confusion:
    """What objects were taken for.

    First the detections are matched to objects of their own class, as for the metrics: the diagonal holds the true
    positives. Then, the surest first, each of the others is given the object that it overlaps most of those that are
    left, whatever its class. What is left is background: detections without an object (also a second one of an object
    that is found), and objects without a detection.
    """

    iou: float
    threshold: float
    class_ids: tuple[int, ...]  # [C]
    counts: np.ndarray  # int [C + 1, C + 1]: row: class of the object; column: of the detection; last: background

    @property
    def by_object(self) -> np.ndarray:
        """The shares of each row: what became of the objects of a class; 0 in a row without any."""
        return _shares(self.counts, axis=1)

    @property
    def by_detection(self) -> np.ndarray:
        """The shares of each column: what the detections of a class are; 0 in a column without any."""
        return _shares(self.counts, axis=0)


def confusion_matrix(results: Results, matching: Matching, class_ids: Sequence[int], threshold: float) -> Confusion:
    """Counts; `class_ids` must have all classes of objects and detections, as `all_class_ids` has."""
    detected, truth = matching.detected, matching.truth
    kept = reaches(detected.scores, threshold)
    right, left = np.flatnonzero(kept & detected.right), np.flatnonzero(kept & detected.wrong)
    missed = np.flatnonzero(~truth.ignored & ~found_objects(matching, threshold))
    paired, taken_for = _pair(results, matching, left, missed)
    background = len(class_ids)
    objects, detections = _rows(truth.classes, class_ids), _rows(detected.classes, class_ids)
    counts = np.zeros([background + 1, background + 1], int)
    for rows, columns in (
        (detections[right], detections[right]),
        (objects[paired], detections[taken_for]),
        (objects[np.setdiff1d(missed, paired)], background),
        (background, detections[np.setdiff1d(left, taken_for)]),
    ):
        np.add.at(counts, tuple(np.broadcast_arrays(rows, columns)), 1)
    return Confusion(matching.iou, threshold, tuple(class_ids), counts)


def _rows(classes: np.ndarray, class_ids: Sequence[int]) -> np.ndarray:
    """The row of each class in the matrix."""
    row_of = {class_id: row for row, class_id in enumerate(class_ids)}
    found, places = np.unique(classes, return_inverse=True)
    return np.array([row_of[class_id] for class_id in found.tolist()], int)[places]


def _pair(results: Results, matching: Matching, left: np.ndarray, missed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of objects and, for each, of its detection, among these; each at most once."""
    detected, truth = matching.detected, matching.truth
    pairs: list[tuple[int, int]] = []
    left_of, missed_of = _by_image(detected.image, left), _by_image(truth.image, missed)
    for image in sorted(left_of.keys() & missed_of.keys()):
        rows, objects = left_of[image], missed_of[image]
        rows = rows[np.argsort(-detected.scores[rows], kind="stable")]
        shared = overlaps(results.images[image], detected.index[rows], truth.index[objects])
        for place in np.flatnonzero(shared.max(axis=1) >= matching.iou).tolist():  # mostly few of many
            best = int(np.argmax(shared[place]))
            if shared[place, best] >= matching.iou:
                pairs.append((int(objects[best]), int(rows[place])))
                shared[:, best] = -1.0
    paired, taken_for = np.array(pairs, int).reshape(-1, 2).T
    return paired, taken_for


def _by_image(images: np.ndarray, rows: np.ndarray) -> dict[int, np.ndarray]:
    """These rows by their image; `images` of all rows, which never fall."""
    found, starts = np.unique(images[rows], return_index=True)
    return dict(zip(found.tolist(), np.split(rows, starts[1:]), strict=True)) if len(rows) else {}


def _shares(counts: np.ndarray, axis: int) -> np.ndarray:
    total = counts.sum(axis=axis, keepdims=True)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
