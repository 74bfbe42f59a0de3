"""COCO's average precision of each class and size of objects, and the precision-recall curves behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from odtk.evaluation.analysis.matching import each_match
from odtk.evaluation.results import ImageResult, Results

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)
SIZES = ("all", "small", "medium", "large")

AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Of SIZES, in pixels, both ends included, as pycocotools has them."""


@dataclass(frozen=True)
class AveragePrecision:
    """Precision at RECALLS for each of IOUS, class and size; NaN where there is no object to find."""

    class_ids: tuple[int, ...]  # [C]
    objects: np.ndarray  # int [C, 4]: those that count, by size in the order of SIZES
    precision: np.ndarray  # [10, 101, C, 4]: IoU, recall, class, size; the best at this recall or any above it

    def of_classes(self, iou: float | None = None, size: str = "all") -> np.ndarray:
        """AP [C] at one of IOUS or, without one, the mean over all."""
        chosen = self.precision[..., SIZES.index(size)]
        return (chosen.mean(axis=0) if iou is None else chosen[IOUS.index(iou)]).mean(axis=0)

    def mean(self, iou: float | None = None, size: str = "all") -> float:
        """mAP: the mean over the classes that have objects of this size; NaN if none has."""
        return float(_mean_of_known(self.of_classes(iou, size)))

    def curves(self, iou: float = 0.5) -> np.ndarray:
        """Precision [C, 101] at RECALLS."""
        return self.precision[IOUS.index(iou), :, :, 0].T

    def mean_curve(self, iou: float = 0.5) -> np.ndarray:
        """The mean [101] of the curves of the classes that have objects; its own mean is the mAP at this IoU."""
        return _mean_of_known(self.curves(iou))


def measure_precision(results: Results, class_ids: Sequence[int]) -> AveragePrecision:
    """Measures as pycocotools does (COCOeval.accumulate), whatever metrics set the evaluation had."""
    parts = [_measure_size(results.images, class_ids, *areas) for areas in AREAS]
    objects, precision = zip(*parts, strict=True)
    return AveragePrecision(tuple(class_ids), np.stack(objects, axis=-1), np.stack(precision, axis=-1))


def _measure_size(
    images: Sequence[ImageResult], class_ids: Sequence[int], least: float, most: float
) -> tuple[np.ndarray, np.ndarray]:
    """Objects [C] and precision [10, 101, C] of objects of these areas; others need not be found."""

    def is_outside(areas: np.ndarray) -> np.ndarray:
        return (areas < least) | (areas > most)

    sized = [replace(image, ignored=image.ignored | is_outside(image.areas)) for image in images]
    marks = []  # of all that is matched at an IoU only what is needed is kept
    for matching in each_match(IOUS, sized):
        detected, truth = matching.detected, matching.truth
        marks.append((detected.right, detected.wrong))
    areas = np.concatenate([np.zeros(0), *(_areas(image.detected_boxes) for image in images)])
    offsets = np.cumsum([0, *(len(image.scores) for image in images)])
    outside = is_outside(areas[offsets[detected.image] + detected.index])
    # A detection of another size that found nothing is not counted.
    right, wrong = np.stack([own for own, _ in marks]), np.stack([own & ~outside for _, own in marks])
    objects = np.array([((truth.classes == class_id) & ~truth.ignored).sum() for class_id in class_ids], int)
    precision = np.full([len(IOUS), len(RECALLS), len(class_ids)], np.nan)
    for row in np.flatnonzero(objects).tolist():
        own = np.flatnonzero(detected.classes == class_ids[row])
        order = own[np.argsort(-detected.scores[own], kind="stable")]
        precision[..., row] = _precision_at_recalls(right[:, order], wrong[:, order], objects[row])
    return objects, precision


def _precision_at_recalls(right: np.ndarray, wrong: np.ndarray, objects: int) -> np.ndarray:
    """[10, 101] of detections [10, N], the surest first."""
    hits, errors = np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)
    precision = hits / (hits + errors + np.spacing(1))  # as pycocotools avoids to divide by 0
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(best_from_here, ((0, 0), (0, 1)))  # beyond the last detection it is 0
    places = [np.searchsorted(row, RECALLS, side="left") for row in hits / objects]
    return np.take_along_axis(padded, np.stack(places), axis=1)


def _areas(boxes: np.ndarray) -> np.ndarray:  # [N, 4] -> [N]
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis without the rows that are NaN."""
    known = values[~np.isnan(values).any(axis=tuple(range(1, values.ndim)))]
    return known.mean(axis=0) if len(known) else np.full(values.shape[1:], np.nan)
