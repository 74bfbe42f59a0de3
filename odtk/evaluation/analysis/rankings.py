"""What to look at first: confused pairs of classes, sure false positives, large missed objects, the worst images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.analysis.error_kinds import CLASSIFICATION, KINDS, MISSED, Errors
from odtk.evaluation.analysis.matching import UNMATCHED, Matching
from odtk.evaluation.analysis.oracle import Oracle
from odtk.thresholds import reaches


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, of which one is taken for the other."""

    annotated: int  # class id of the groundtruth
    detected: int  # class id that the detector gives it
    count: int  # detections of at least the threshold
    cost: float  # mAP that they cost, those below the threshold included


@dataclass(frozen=True)
class ErrorCase:
    """One error to look at, by its place."""

    kind: str  # of error_kinds.KINDS
    image: int  # index of its image
    class_id: int  # of the detection; of a missed object its own
    detection: int | None  # index in the image; None of a missed object
    truth: int | None  # index in the image of the groundtruth that it is about; None of background
    score: float  # of the detection; 0 of a missed object


@dataclass(frozen=True)
class WorstImage:
    """An image with its errors at a threshold."""

    image: int  # its index
    errors: Mapping[str, int]  # how many of each of KINDS
    right: int  # detections that are right
    badness: float  # number of errors x their share among errors and right detections


def confused_pairs(oracle: Oracle, min_score: float = 0.0, most: int = 20) -> list[ConfusedPair]:
    """The `most` frequent pairs of an annotated and a detected class, sorted by the mAP that they cost.

    `oracle` is of all detections; those of at least `min_score` are counted.
    """
    errors, detected = oracle.errors, oracle.matching.detected
    rows = np.flatnonzero(errors.kinds == CLASSIFICATION)
    pairs = np.stack([oracle.matching.truth.classes[errors.targets[rows]], detected.classes[rows]], axis=1)
    counted = reaches(detected.scores[rows], min_score)
    frequent, counts = np.unique(pairs[counted], axis=0, return_counts=True)
    found = []
    for number in np.argsort(-counts, kind="stable")[:most]:
        selected = np.zeros(len(errors.kinds), bool)
        selected[rows[(pairs == frequent[number]).all(axis=1)]] = True
        annotated, taken_for = frequent[number].tolist()
        found.append(ConfusedPair(annotated, taken_for, int(counts[number]), oracle.cost(selected)))
    return sorted(found, key=lambda pair: (-pair.cost, -pair.count))


def surest_false_positives(
    matching: Matching, errors: Errors, most: int = 20, class_id: int | None = None
) -> list[ErrorCase]:
    """The false positives of the highest scores, of all classes or of the detected `class_id`."""
    rows = np.flatnonzero(errors.wrong if class_id is None else errors.wrong & (matching.detected.classes == class_id))
    rows = rows[np.argsort(-matching.detected.scores[rows], kind="stable")][:most]
    return detected_cases(matching, errors, rows)


def largest_missed(matching: Matching, errors: Errors, most: int = 20, class_id: int | None = None) -> list[ErrorCase]:
    """The missed objects of the largest area, of all classes or of `class_id`."""
    truth = matching.truth
    rows = np.flatnonzero(errors.missed if class_id is None else errors.missed & (truth.classes == class_id))
    rows = rows[np.argsort(-truth.areas[rows], kind="stable")][:most]
    return missed_cases(matching, rows)


def cases_of_image(matching: Matching, errors: Errors, image: int) -> list[ErrorCase]:
    """All errors of one image, by its index: its false positives by class and falling score, then what is missed."""
    rows = _rows_of(matching.detected.image, image)
    truths = _rows_of(matching.truth.image, image)
    return [
        *detected_cases(matching, errors, rows[errors.wrong[rows]]),
        *missed_cases(matching, truths[errors.missed[truths]]),
    ]


def worst_images(matching: Matching, errors: Errors, num_images: int, most: int = 20) -> list[WorstImage]:
    """The images with the most errors in number and share, at the threshold of the matching; those with errors only."""
    detected, truth = matching.detected, matching.truth
    counts = np.zeros([len(KINDS), num_images], int)
    for number, kind in enumerate(KINDS):
        images = truth.image[errors.missed] if kind == MISSED else detected.image[errors.kinds == kind]
        counts[number] = np.bincount(images, minlength=num_images)
    right = np.bincount(detected.image[detected.right], minlength=num_images)
    total = counts.sum(axis=0)
    badness = total * total / np.maximum(total + right, 1)
    order = [row for row in np.argsort(-badness, kind="stable")[:most].tolist() if total[row]]
    return [
        WorstImage(row, dict(zip(KINDS, counts[:, row].tolist(), strict=True)), int(right[row]), float(badness[row]))
        for row in order
    ]


def detected_cases(matching: Matching, errors: Errors, rows: np.ndarray) -> list[ErrorCase]:
    """The errors in these rows of the detections."""
    detected = matching.detected
    return [
        ErrorCase(
            kind=str(errors.kinds[row]),
            image=int(detected.image[row]),
            class_id=int(detected.classes[row]),
            detection=int(detected.index[row]),
            truth=None if errors.targets[row] == UNMATCHED else int(matching.truth.index[errors.targets[row]]),
            score=float(detected.scores[row]),
        )
        for row in rows.tolist()
    ]


def missed_cases(matching: Matching, rows: np.ndarray) -> list[ErrorCase]:
    """The missed objects in these rows of the groundtruth."""
    truth = matching.truth
    places = zip(*(column[rows].tolist() for column in (truth.image, truth.classes, truth.index)), strict=True)
    return [ErrorCase(MISSED, image, class_id, None, index, 0.0) for image, class_id, index in places]


def _rows_of(images: np.ndarray, image: int) -> np.ndarray:
    return np.arange(*np.searchsorted(images, [image, image + 1]))
