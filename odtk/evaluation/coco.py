"""COCO box metrics under TFOD's names: pycocotools' numbers, computed by hotcoco."""

import operator
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from odtk.errors import DataError
from odtk.evaluation.coco_matching import Accumulated, BoxTable, accumulate
from odtk.evaluation.evaluator import Evaluator

_PREFIX = "DetectionBoxes_"

# TFOD's names (object_detection/metrics/coco_tools.py), in the order of pycocotools' `COCOeval.stats`.
METRIC_MEANINGS = {
    f"{_PREFIX}Precision/mAP": "average precision, mean over classes and over IoU 0.50 to 0.95 in steps of 0.05",
    f"{_PREFIX}Precision/mAP@.50IOU": "the same at an IoU of 0.50",
    f"{_PREFIX}Precision/mAP@.75IOU": "the same at an IoU of 0.75",
    f"{_PREFIX}Precision/mAP (small)": "mAP of objects smaller than 32 x 32 pixels",
    f"{_PREFIX}Precision/mAP (medium)": "mAP of objects between 32 x 32 and 96 x 96 pixels",
    f"{_PREFIX}Precision/mAP (large)": "mAP of objects larger than 96 x 96 pixels",
    f"{_PREFIX}Recall/AR@1": "average recall with 1 detection per class and image, mean over IoU",
    f"{_PREFIX}Recall/AR@10": "the same with 10 detections per class and image",
    f"{_PREFIX}Recall/AR@100": "the same with 100 detections per class and image",
    f"{_PREFIX}Recall/AR@100 (small)": "AR@100 of objects smaller than 32 x 32 pixels",
    f"{_PREFIX}Recall/AR@100 (medium)": "AR@100 of objects between 32 x 32 and 96 x 96 pixels",
    f"{_PREFIX}Recall/AR@100 (large)": "AR@100 of objects larger than 96 x 96 pixels",
}
METRIC_NAMES = tuple(METRIC_MEANINGS)

# pycocotools' value for "there is no groundtruth to measure this on".
NO_GROUNDTRUTH = -1.0

# For each metric: whether it is a recall, index of the IoU (0: 0.50, 5: 0.75, None: mean), of the object size (0: all),
# of the number of detections (0: 1, 1: 10, 2: 100); in the order of METRIC_NAMES, as pycocotools takes them.
_SELECTIONS = (
    (False, None, 0, 2),
    (False, 0, 0, 2),
    (False, 5, 0, 2),
    (False, None, 1, 2),
    (False, None, 2, 2),
    (False, None, 3, 2),
    (True, None, 0, 0),
    (True, None, 0, 1),
    (True, None, 0, 2),
    (True, None, 1, 2),
    (True, None, 2, 2),
    (True, None, 3, 2),
)


class CocoEvaluator(Evaluator):
    """The 12 COCO box metrics.

    `categories` is a list of {"id": int, "name": str}; boxes of other classes are dropped, as in TFOD. The other
    arguments add metrics and are those of `eval_config`: mAP of each class, the 12 metrics of each class (which
    includes its mAP), and the mean over the classes of each super-category, by name. Raises DataError if a
    super-category names a class that is not among the categories.
    """

    groundtruth_columns = ("is_crowd", "area")  # the box's own area is used if this is not above 0
    ignored_flag = "is_crowd"
    metric_meanings = METRIC_MEANINGS

    def __init__(
        self,
        categories: Iterable[dict],
        include_metrics_per_category: bool = False,
        all_metrics_per_category: bool = False,
        super_categories: Mapping[str, Sequence[str]] | None = None,
    ):
        super().__init__()
        self._categories: list[dict] = sorted(
            ({"id": int(item["id"]), "name": str(item["name"])} for item in categories), key=operator.itemgetter("id")
        )
        self._per_category = include_metrics_per_category or all_metrics_per_category
        self._all_metrics = all_metrics_per_category
        self._super_categories = dict(super_categories or {})
        _check_super_categories(self._super_categories, [item["name"] for item in self._categories])
        self._ids = [item["id"] for item in self._categories]
        self._groundtruth, self._detections = BoxTable("area", "iscrowd"), BoxTable("area", "score")

    def _add(self, number: int, groundtruth: dict[str, np.ndarray], detections: dict[str, np.ndarray]) -> None:
        boxes, given = groundtruth["boxes"], groundtruth["area"]
        area, crowd = np.where(given > 0, given, _yxyx_area(boxes)), groundtruth["is_crowd"].astype(bool)
        self._append(self._groundtruth, number, boxes, groundtruth["classes"], area=area, iscrowd=crowd)
        found = detections["boxes"]
        columns = {"area": _yxyx_area(found), "score": detections["scores"]}
        self._append(self._detections, number, found, detections["classes"], **columns)

    def evaluate(self) -> dict[str, float]:
        """Maps TFOD's names to values in 0..1: the 12 metrics and the requested others, in TFOD's order.

        -1 if there is no such groundtruth.
        """
        results = accumulate(self._ids, self._groundtruth, self._detections)
        self.classes = self._measured_classes(results.precision)
        metrics = _values(results, slice(None))
        if self._per_category:
            metrics |= self._metrics_per_category(results)
        return metrics | self._metrics_per_super_category(results)

    def _measured_classes(self, precision: np.ndarray) -> list[dict]:
        columns = self._groundtruth.columns()
        counted = ~columns["iscrowd"].astype(bool)
        images = {number: columns["image"][counted & (columns["class"] == number)] for number in self._ids}
        return [
            {
                **item,
                "images": len(np.unique(images[item["id"]])),
                "boxes": len(images[item["id"]]),
                "AP": _mean_of_known(precision[:, :, index, 0, 2]),
                "AP@.50IOU": _mean_of_known(precision[0, :, index, 0, 2]),
            }
            for index, item in enumerate(self._categories)
        ]

    def _metrics_per_category(self, results: Accumulated) -> dict[str, float]:
        """`DetectionBoxes_PerformanceByCategory/mAP/<name>` and `<metric> ByCategory/<name>`, ordered by class id."""
        metrics = {}
        for index, item in enumerate(self._categories):
            values = _values(results, index)
            metrics[f"{_PREFIX}PerformanceByCategory/mAP/{item['name']}"] = values[METRIC_NAMES[0]]
            if self._all_metrics:
                metrics |= {f"{name} ByCategory/{item['name']}": value for name, value in values.items()}
        return metrics

    def _metrics_per_super_category(self, results: Accumulated) -> dict[str, float]:
        """`DetectionBoxes_PerformanceBySuperCategory/<name>` and `<metric> BySuperCategory/<name>`.

        Classes without groundtruth are left out of the mean (TFOD's code would add their -1).
        """
        position = {item["name"]: index for index, item in enumerate(self._categories)}
        metrics = {}
        for group, names in self._super_categories.items():
            rows = np.array([list(_values(results, position[name]).values()) for name in names])
            values = [_mean_of_known(column) for column in rows.T]
            metrics[f"{_PREFIX}PerformanceBySuperCategory/{group}"] = values[0]
            if self._all_metrics:
                named = zip(METRIC_NAMES, values, strict=True)
                metrics |= {f"{name} BySuperCategory/{group}": value for name, value in named}
        return metrics

    def _append(self, table: BoxTable, image: int, boxes: np.ndarray, classes: np.ndarray, **columns) -> None:
        known = np.isin(classes.astype(int), self._ids)
        table.append(image, boxes[known], classes[known], **{name: each[known] for name, each in columns.items()})


def _yxyx_area(boxes: np.ndarray) -> np.ndarray:  # [N, 4] -> [N]
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _values(results: Accumulated, chosen: int | slice) -> dict[str, float]:
    """The 12 metrics of one class, by its index among the sorted ids, or of a slice of them."""
    values = {}
    for name, (of_recall, iou, size, count) in zip(METRIC_NAMES, _SELECTIONS, strict=True):
        ious = slice(None) if iou is None else iou
        own = results.recall[ious, chosen] if of_recall else results.precision[ious, ..., chosen, :, :]
        values[name] = _mean_of_known(own[..., size, count])
    return values


def _mean_of_known(precision: np.ndarray) -> float:
    known = precision[precision > NO_GROUNDTRUTH]
    return float(known.mean()) if known.size else NO_GROUNDTRUTH


def _check_super_categories(super_categories: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    for group, members in super_categories.items():
        unknown = [member for member in members if member not in names]
        if unknown or not members:
            raise DataError(
                f"Super-category {group} of eval_config.super_categories names {', '.join(unknown) or 'no class'}; "
                f"the classes of the label map are {', '.join(names)}. Use these names, separated by commas."
            )
