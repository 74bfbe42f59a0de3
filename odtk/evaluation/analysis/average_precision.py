"""COCO's average precision of each class and size of objects, and the precision-recall curves behind it."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from odtk.evaluation.coco_matching import BoxTable, accumulate
from odtk.evaluation.results import ImageResult, Results

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)
SIZES = ("all", "small", "medium", "large")

# Areas in pixels, both ends included, as pycocotools has them; in the order of SIZES.
_AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))


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
    """Measures with COCO's arithmetic, whatever metrics set the evaluation had."""
    groundtruth, detections = BoxTable(), BoxTable()
    for number, image in enumerate(results.images, 1):
        crowds = image.ignored.astype(bool)
        groundtruth.append(number, image.boxes, image.classes, area=image.areas, iscrowd=crowds)
        found = image.detected_boxes
        areas = (found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])
        detections.append(number, found, image.detected_classes, area=areas, score=image.scores)
    # pycocotools reports to stdout, which belongs to the command's result.
    with contextlib.redirect_stdout(io.StringIO()):
        measured = accumulate(list(class_ids), groundtruth.by_class(), detections.by_class())
    precision = measured.eval["precision"][..., -1]  # at most 100 detections
    objects = _count_objects(results.images, class_ids)
    return AveragePrecision(tuple(class_ids), objects, np.where(precision < 0, np.nan, precision))


def _count_objects(images: Sequence[ImageResult], class_ids: Sequence[int]) -> np.ndarray:
    """Objects that count [C, 4], by class and size."""
    counts = np.zeros([len(class_ids), len(SIZES)], int)
    row_of = {class_id: row for row, class_id in enumerate(class_ids)}
    for image in images:
        counted = ~image.ignored
        rows = np.array([row_of[class_id] for class_id in image.classes[counted].tolist()], int)
        for column, (least, most) in enumerate(_AREAS):
            own = (image.areas[counted] >= least) & (image.areas[counted] <= most)
            np.add.at(counts[:, column], rows[own], 1)
    return counts


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis without the rows that are NaN."""
    known = values[~np.isnan(values).any(axis=tuple(range(1, values.ndim)))]
    return known.mean(axis=0) if len(known) else np.full(values.shape[1:], np.nan)
