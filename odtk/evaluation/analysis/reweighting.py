"""COCO's average precision of images that count several times or not at all, for many such samples at once.

Which detection is right does not depend on the other images, so the matches are made once; a sample only changes how
much each counts. Precision is needed where recall rises, which is at the true positives.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from odtk.evaluation.analysis.average_precision import RECALLS
from odtk.evaluation.analysis.matching import Matching

_AT_ONCE = 1_000_000  # detections of a class times samples: what a processor's cache holds


def reweighted_precisions(
    matchings: Sequence[Matching], class_ids: Sequence[int], weights: np.ndarray
) -> np.ndarray:  # [IoU, class, sample]
    """AP at the IoU of each matching, of each class, in each sample; NaN where the sample has no object to find.

    `matchings`: those of the same images (match_at). `weights`: int [sample, image], how often each image is in a
    sample; it counts as so many images with the same boxes would. (Of equal scores in one image a copy's true and false
    positives come together, so that with such ties the result may differ from that of copies.)
    """
    samples = np.ascontiguousarray(weights, np.int32)
    found = np.full([len(matchings), len(class_ids), len(samples)], np.nan)
    for column, own in enumerate(_of_classes(matchings, class_ids)):
        size = max(_AT_ONCE // max(len(own.images), 1), 1)
        for first in range(0, len(samples), size):
            part = slice(first, first + size)
            found[:, column, part] = _precisions(own, samples[part])
    return found


class _OfClass(NamedTuple):
    """A class: its detections by falling score."""

    images: np.ndarray  # int [D]
    marks: list[tuple[np.ndarray, np.ndarray]]  # for each IoU: which detections are right, which are ignored
    images_of_objects: np.ndarray  # int [G]


def _of_classes(matchings: Sequence[Matching], class_ids: Sequence[int]) -> Iterator[_OfClass]:
    detected, truth = matchings[0].detected, matchings[0].truth
    # As COCO orders them: of equal scores the image that was read first.
    order = np.lexsort((-detected.scores, detected.classes))
    classes = detected.classes[order]
    marks = [(matching.detected.right[order], matching.detected.ignored[order]) for matching in matchings]
    for class_id in class_ids:
        rows = slice(*np.searchsorted(classes, [class_id, class_id + 1]))
        yield _OfClass(
            images=detected.image[order[rows]],
            marks=[(np.flatnonzero(right[rows]), np.flatnonzero(ignored[rows])) for right, ignored in marks],
            images_of_objects=truth.image[(truth.classes == class_id) & ~truth.ignored],
        )


def _precisions(own: _OfClass, samples: np.ndarray) -> np.ndarray:  # [IoU, sample]
    objects, seen = np.take(samples, own.images_of_objects, axis=1).sum(axis=1), _counts_until(samples, own.images)
    found = np.zeros([len(own.marks), len(samples)])
    for row, (right, ignored) in enumerate(own.marks):
        neither = np.pad(_counts_until(samples, own.images[ignored]), [(0, 0), (1, 0)])
        counted = seen[:, right] - neither[:, np.searchsorted(ignored, right)]
        found[row] = _average_precision(_counts_until(samples, own.images[right]), counted, objects)
    return np.where(objects > 0, found, np.nan)


def _counts_until(samples: np.ndarray, image: np.ndarray) -> np.ndarray:
    """How many of the detections there are in a sample up to each, by their images: [sample, detection]."""
    return np.cumsum(np.take(samples, image, axis=1), axis=1, dtype=np.int32)


def _average_precision(hits: np.ndarray, counted: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """AP [sample] of the true positives [sample, P] up to each of them, of so many detections, and of the objects."""
    precision = hits / (counted + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = hits / np.maximum(objects, 1)[:, None]
    # How many of the 101 recalls are reached: those up to the nearest, and that one if it is.
    nearest = np.rint(100 * recall).astype(np.int32)
    reached = nearest + (RECALLS[nearest] <= recall)
    return (best * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(RECALLS)
