"""COCO's average precision of images that count several times or not at all, for many such samples at once.

Which detection is right does not depend on the other images, so the matches are made once; a sample only changes how
much each counts. Precision is needed where recall rises, which is at the true positives.
"""

from collections.abc import Sequence

import numpy as np

from odtk.evaluation.analysis.matching import Matching

_RECALLS = np.linspace(0, 1, 101)
_AT_ONCE = 4_000_000  # detections of a class times samples: 4 bytes each, and a few times that meanwhile


def reweighted_precisions(
    matchings: Sequence[Matching], class_ids: Sequence[int], weights: np.ndarray
) -> np.ndarray:  # [IoU, class, sample]
    """AP at the IoU of each matching, of each class, in each sample; NaN where the sample has no object to find.

    `matchings`: those of the same images (match_at). `weights`: int [sample, image], how often each image is in a
    sample; it counts as so many images with the same boxes would. (Of equal scores in one image a copy's true and false
    positives come together, so that with such ties the result may differ from that of copies.)
    """
    by_image = np.ascontiguousarray(weights.T.astype(np.int32))
    found = np.full([len(matchings), len(class_ids), by_image.shape[1]], np.nan)
    for column, class_id in enumerate(class_ids):
        truth = matchings[0].truth
        objects = by_image[truth.image[(truth.classes == class_id) & ~truth.ignored]].sum(axis=0)
        rows = np.flatnonzero(matchings[0].detected.classes == class_id)
        # As COCO orders them: by falling score, of equal ones the image that was read first.
        rows = rows[np.argsort(-matchings[0].detected.scores[rows], kind="stable")]
        size = max(_AT_ONCE // max(len(rows), 1), 1)
        for first in range(0, by_image.shape[1], size):
            part = slice(first, first + size)
            found[:, column, part] = _of_class(matchings, rows, by_image[:, part], objects[part])
    return found


def _of_class(matchings: Sequence[Matching], rows: np.ndarray, weights: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """AP [IoU, sample]; `rows` by falling score, `weights` [image, sample], `objects` [sample]."""
    image = matchings[0].detected.image[rows]
    seen = np.cumsum(weights[image], axis=0, dtype=np.int32)  # [D, sample]
    found = np.zeros([len(matchings), len(objects)])
    for row, matching in enumerate(matchings):
        right = np.flatnonzero(matching.detected.right[rows])
        ignored = np.flatnonzero(matching.detected.ignored[rows])
        neither = np.cumsum(weights[image[ignored]], axis=0)
        neither = np.concatenate([np.zeros_like(neither[:1], shape=[1, len(objects)]), neither])
        counted = seen[right] - neither[np.searchsorted(ignored, right)]
        found[row] = _average_precision(np.cumsum(weights[image[right]], axis=0), counted, objects)
    return np.where(objects > 0, found, np.nan)


def _average_precision(hits: np.ndarray, counted: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """AP [sample] of the true positives [P, sample] up to each of them, of so many detections, and of the objects."""
    precision = hits / (counted + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = hits / np.maximum(objects, 1)
    # How many of the 101 recalls are reached: those up to the nearest, and that one if it is.
    nearest = np.rint(100 * recall).astype(np.int32)
    reached = nearest + (_RECALLS[nearest] <= recall)
    return (best * np.diff(reached, axis=0, prepend=0)).sum(axis=0) / len(_RECALLS)
