"""COCO box metrics under TFOD's names, computed by pycocotools."""

import contextlib
import io
import logging
from collections.abc import Hashable, Iterable

import numpy as np

from odtk.errors import DataError

_PREFIX = "DetectionBoxes_"
_log = logging.getLogger(__name__)

# TFOD's names (object_detection/metrics/coco_tools.py), in the order of pycocotools' `COCOeval.stats`.
METRIC_MEANINGS = {
    f"{_PREFIX}Precision/mAP": "average precision, mean over classes and over IoU 0.50 to 0.95 in steps of 0.05",
    f"{_PREFIX}Precision/mAP@.50IOU": "the same, where an IoU of 0.50 counts as found",
    f"{_PREFIX}Precision/mAP@.75IOU": "the same, where it takes an IoU of 0.75",
    f"{_PREFIX}Precision/mAP (small)": "mAP of objects smaller than 32 x 32 pixels",
    f"{_PREFIX}Precision/mAP (medium)": "mAP of objects between 32 x 32 and 96 x 96 pixels",
    f"{_PREFIX}Precision/mAP (large)": "mAP of objects larger than 96 x 96 pixels",
    f"{_PREFIX}Recall/AR@1": "share of objects found with 1 detection per class and image, mean over IoU",
    f"{_PREFIX}Recall/AR@10": "the same with 10 detections per class and image",
    f"{_PREFIX}Recall/AR@100": "the same with 100 detections per class and image",
    f"{_PREFIX}Recall/AR@100 (small)": "AR@100 of objects smaller than 32 x 32 pixels",
    f"{_PREFIX}Recall/AR@100 (medium)": "AR@100 of objects between 32 x 32 and 96 x 96 pixels",
    f"{_PREFIX}Recall/AR@100 (large)": "AR@100 of objects larger than 96 x 96 pixels",
}
METRIC_NAMES = tuple(METRIC_MEANINGS)

# pycocotools' value for "there is no groundtruth to measure this on".
NO_GROUNDTRUTH = -1.0


class CocoEvaluator:
    """Collects groundtruth and detections image by image, then gives the 12 COCO box metrics.

    `categories` is a list of {"id": int, "name": str}; boxes of any other class are dropped, as in TFOD.
    """

    def __init__(self, categories: Iterable[dict]):
        self._categories = [{"id": int(item["id"]), "name": str(item["name"])} for item in categories]
        self._ids = {item["id"] for item in self._categories}
        self._images: dict[Hashable, int] = {}  # the caller's id to ours, 1..N in order of arrival
        self._groundtruth: list[dict] = []
        self._detections: list[dict] = []
        self._precision: np.ndarray | None = None
        self.repeated_images: list[Hashable] = []

    @property
    def num_images(self) -> int:
        """How many images count."""
        return len(self._images)

    def add_image(
        self,
        image_id: Hashable,
        groundtruth_boxes: np.ndarray,  # [N, 4] yxyx in pixels
        groundtruth_classes: np.ndarray,  # [N] 1-based
        is_crowd: np.ndarray | None,  # [N] bool
        area: np.ndarray | None,  # [N] in pixels; the box area is used where it is not above 0
        detection_boxes: np.ndarray,  # [M, 4] yxyx in pixels
        detection_classes: np.ndarray,  # [M] 1-based
        detection_scores: np.ndarray,  # [M]
    ) -> bool:
        """Adds an image; N and M may be 0. An id seen before is ignored with a warning, as in TFOD: returns False.

        Raises DataError where the arrays of one image do not fit together.
        """
        if image_id in self._images:
            _log.warning("Image %s was already evaluated; its repetition is ignored.", image_id)
            self.repeated_images.append(image_id)
            return False
        groundtruth_boxes, detection_boxes = (
            np.reshape(groundtruth_boxes, [-1, 4]),
            np.reshape(detection_boxes, [-1, 4]),
        )
        crowd = np.zeros(len(groundtruth_boxes), bool) if is_crowd is None else is_crowd
        area = np.zeros(len(groundtruth_boxes)) if area is None else area
        _check_lengths(image_id, "groundtruth", groundtruth_boxes, groundtruth_classes, crowd, area)
        _check_lengths(image_id, "detection", detection_boxes, detection_classes, detection_scores)
        number = self._images[image_id] = len(self._images) + 1
        area = np.where(np.asarray(area) > 0, area, _yxyx_area(groundtruth_boxes))
        self._append(self._groundtruth, number, groundtruth_boxes, groundtruth_classes, area=area, iscrowd=crowd)
        detected = {"area": _yxyx_area(detection_boxes), "iscrowd": np.zeros(len(detection_boxes), int)}
        self._append(self._detections, number, detection_boxes, detection_classes, score=detection_scores, **detected)
        return True

    def evaluate(self) -> dict[str, float]:
        """TFOD's name to value in 0..1 of the 12 metrics, in TFOD's order; -1 where there is no such groundtruth."""
        from pycocotools.cocoeval import COCOeval

        # pycocotools reports to stdout, which belongs to the command's result.
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._as_coco(self._groundtruth), self._as_coco(self._detections), iouType="bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        self._precision = evaluation.eval["precision"]
        return {name: float(value) for name, value in zip(METRIC_NAMES, evaluation.stats, strict=True)}

    def include_metrics_per_category(self) -> dict[str, float]:
        """mAP of each class under TFOD's `DetectionBoxes_PerformanceByCategory/mAP/<name>`, ordered by class id.

        Named after the config's `eval_config.include_metrics_per_category`. -1 where a class has no groundtruth.
        """
        if self._precision is None:
            self.evaluate()
        names = [item["name"] for item in sorted(self._categories, key=lambda item: item["id"])]
        # [IoU, recall, class, area range, max detections]; all areas, 100 detections
        per_class = [self._precision[:, :, index, 0, -1] for index in range(len(names))]
        return {
            f"{_PREFIX}PerformanceByCategory/mAP/{name}": _mean_of_known(precision)
            for name, precision in zip(names, per_class, strict=True)
        }

    def _append(self, annotations: list[dict], image: int, boxes: np.ndarray, classes, **columns) -> None:
        columns = {name: np.asarray(column).tolist() for name, column in columns.items()}
        for index, (box, category) in enumerate(zip(boxes, classes, strict=True)):
            if int(category) not in self._ids:
                continue
            values = {name: column[index] for name, column in columns.items()}
            # Ids start at 1: to pycocotools a match with annotation 0 is no match.
            keys = {"id": len(annotations) + 1, "image_id": image, "category_id": int(category)}
            annotations.append({**keys, "bbox": _yxyx_to_xywh(box), **values})
        self._precision = None

    def _as_coco(self, annotations: list[dict]):
        from pycocotools.coco import COCO

        # Not COCO.loadRes, which fails on an empty list and turns every box into a polygon.
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in self._images.values()],
            "categories": self._categories,
            "annotations": annotations,
        }
        coco.createIndex()
        return coco


def _yxyx_area(boxes: np.ndarray) -> np.ndarray:  # [N, 4] -> [N]
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _yxyx_to_xywh(box: np.ndarray) -> list[float]:
    # Subtracted in the caller's precision: TFOD's numbers come from float32 boxes.
    return [float(box[1]), float(box[0]), float(box[3] - box[1]), float(box[2] - box[0])]


def _mean_of_known(precision: np.ndarray) -> float:
    known = precision[precision > NO_GROUNDTRUTH]
    return float(known.mean()) if known.size else NO_GROUNDTRUTH


def _check_lengths(image_id: Hashable, kind: str, boxes: np.ndarray, *columns) -> None:
    lengths = [len(column) for column in columns]
    if any(length != len(boxes) for length in lengths):
        raise DataError(
            f"Image {image_id}: {len(boxes)} {kind} boxes came with {kind} columns of lengths {lengths}; "
            "every box needs one entry in each. Pass arrays of one length per image."
        )
