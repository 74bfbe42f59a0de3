"""Average precision at IoU 0.5 under TFOD's names: Pascal VOC, pooled over classes, and Open Images V2."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from odtk.evaluation.evaluator import Evaluator

MATCHING_IOU = 0.5
NOT_A_MATCH = -1


class Protocol(NamedTuple):
    """The differences between these metrics sets."""

    prefix: str
    ignore_flag: str  # groundtruth boxes with this flag are not counted: "difficult" or "group_of"
    pooled: bool  # mAP is computed from the detections of all classes together, not as the mean of the classes
    meaning: str


# As in TFOD (object_detection/utils/object_detection_evaluation.py).
PROTOCOLS = {
    "pascal_voc_detection_metrics": Protocol(
        "PascalBoxes", "difficult", False, "average precision at IoU 0.50, area under the curve, mean over classes"
    ),
    "weighted_pascal_voc_detection_metrics": Protocol(
        "WeightedPascalBoxes", "difficult", True, "average precision at IoU 0.50 of all classes' detections in one list"
    ),
    "oid_V2_detection_metrics": Protocol(
        "OpenImagesV2", "group_of", False, "average precision at IoU 0.50, where groups of objects do not count"
    ),
}


def _mean_name(protocol: Protocol) -> str:
    return f"{protocol.prefix}_Precision/mAP@{MATCHING_IOU}IOU"


METRIC_MEANINGS = {_mean_name(protocol): protocol.meaning for protocol in PROTOCOLS.values()}


class PascalEvaluator(Evaluator):
    """The AP of every class and their mean.

    `categories` is a list of {"id": int, "name": str}; boxes of classes above the highest id are dropped. A lower class
    without a name has no AP of its own, but is part of the mean, as in TFOD. `metrics_set` is a key of PROTOCOLS. A
    groundtruth box that is difficult (in Pascal VOC) or a group_of (in Open Images) need not be detected, and its
    detections are neither right nor wrong; each protocol ignores the other's flag, as in TFOD.
    """

    groundtruth_columns = ("difficult", "group_of")

    def __init__(self, categories: Iterable[dict], metrics_set: str = "pascal_voc_detection_metrics"):
        super().__init__()
        self._protocol = PROTOCOLS[metrics_set]
        self.ignored_flag = self._protocol.ignore_flag
        self.metric_meanings = {_mean_name(self._protocol): self._protocol.meaning}
        named = ((int(item["id"]), str(item["name"])) for item in categories)
        # TFOD decomposes accents in the names of these metrics.
        self._names = {number: unicodedata.normalize("NFKD", name) for number, name in sorted(named)}
        self._classes = range(1, max(self._names, default=0) + 1)
        self._num_groundtruth: Counter[int] = Counter()
        self._found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # classes, scores, whether right; per image
        self._num_images: Counter[int] = Counter()  # with a counted box, by class

    def _add(self, number: int, groundtruth: dict[str, np.ndarray], detections: dict[str, np.ndarray]) -> None:
        boxes, classes = groundtruth["boxes"], groundtruth["classes"]
        ignored = groundtruth[self.ignored_flag].astype(bool)
        counted = classes[~ignored].tolist()
        self._num_groundtruth.update(counted)
        self._num_images.update(set(counted))
        found = (detections[name] for name in ("boxes", "classes", "scores"))
        self._found.append(self._judge(boxes, classes, ignored, *found))

    def _judge(self, boxes, classes, ignored, found, found_classes, scores):
        """Classes, scores and whether they are right, of the counted detections, best score first."""
        # TFOD drops detections without area.
        order = np.argsort(scores)[::-1]
        order = order[(found[order, 0] < found[order, 2]) & (found[order, 1] < found[order, 3])]
        found, found_classes, scores = found[order], found_classes[order], scores[order]
        if self.ignores_many:
            alone = ~ignored
            right, _ = _match(found, found_classes, boxes[alone], classes[alone], ignored[alone])
            neither = _inside_group(found, found_classes, boxes[ignored], classes[ignored]) & ~right
        else:
            right, neither = _match(found, found_classes, boxes, classes, ignored)
        return found_classes[~neither], scores[~neither], right[~neither]

    def evaluate(self) -> dict[str, float]:
        """Maps TFOD's names to values in 0..1: mAP, then the AP of each class by id; NaN if there is no groundtruth.

        Classes without groundtruth are not part of mAP, nor are their detections if classes are pooled.
        """
        classes, scores, right = (np.concatenate(column) for column in zip(*self._found, self._nothing(), strict=True))
        per_class = {}
        for number in self._classes:
            own = classes == number
            per_class[number] = average_precision(scores[own], right[own], self._num_groundtruth[number])
        if self._protocol.pooled:
            counted = [number for number in self._classes if self._num_groundtruth[number]]
            # Class by class, as in TFOD, since this decides the order of equal scores.
            where = np.concatenate([np.flatnonzero(classes == number) for number in counted] or [np.zeros(0, int)])
            total = sum(self._num_groundtruth[number] for number in counted)
            mean = average_precision(scores[where], right[where], total)
        else:
            known = [value for value in per_class.values() if not np.isnan(value)]
            mean = float(np.mean(known)) if known else float("nan")
        self.classes = [
            {
                "id": number,
                "name": name,
                "images": self._num_images[number],
                "boxes": self._num_groundtruth[number],
                "AP@.50IOU": per_class[number],
            }
            for number, name in self._names.items()
        ]
        prefix = f"{self._protocol.prefix}_PerformanceByCategory/AP@{MATCHING_IOU}IOU/"
        return {_mean_name(self._protocol): mean} | {
            f"{prefix}{name}": per_class[number] for number, name in self._names.items()
        }

    @staticmethod
    def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros(0, int), np.zeros(0, np.float32), np.zeros(0, bool)


def average_precision(scores: np.ndarray, right: np.ndarray, num_groundtruth: int) -> float:
    """Area under precision over recall, for scores [M] and whether each is right [M]; NaN without groundtruth.

    Precision at a recall is the maximum at that or any higher recall, for every recall reached (Pascal VOC since 2010,
    not the 11-point mean of VOC 2007).
    """
    if not num_groundtruth:
        return float("nan")
    hits = np.cumsum(right[np.argsort(scores)[::-1]])
    precision = hits / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    gained = np.diff(hits, prepend=0) / num_groundtruth
    return float(np.sum(gained * best_from_here))


def _match(found, found_classes, boxes, classes, ignored) -> tuple[np.ndarray, np.ndarray]:
    """Whether each detection [M], best score first, is right, and whether it is neither right nor wrong.

    A detection is matched to the groundtruth of its class that it overlaps most, with MATCHING_IOU or more. The first
    match of a box is right, later ones are wrong, and matches of an `ignored` box are neither.
    """
    if not len(boxes) or not len(found):
        return np.zeros(len(found), bool), np.zeros(len(found), bool)
    overlaps = np.where(found_classes[:, None] == classes, _iou(found, boxes), NOT_A_MATCH)  # [M, N]
    best = overlaps.argmax(axis=1)
    matched = overlaps[np.arange(len(found)), best] >= MATCHING_IOU
    neither = matched & ignored[best]
    candidates = np.flatnonzero(matched & ~neither)
    _, first = np.unique(best[candidates], return_index=True)
    right = np.zeros(len(found), bool)
    right[candidates[first]] = True
    return right, neither


def _inside_group(found, found_classes, boxes, classes) -> np.ndarray:
    """Whether at least MATCHING_IOU of each detection's area [M] lies in a group [N] of its class."""
    if not len(boxes):
        return np.zeros(len(found), bool)
    shares = _intersection(found, boxes) / _area(found)[:, None]
    return ((found_classes[:, None] == classes) & (shares >= MATCHING_IOU)).any(axis=1)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:  # yxyx [M, 4], [N, 4] -> [M, N]
    shared = _intersection(first, second)
    return shared / (_area(first)[:, None] + _area(second) - shared)


def _intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:  # yxyx [M, 4], [N, 4] -> [M, N]
    top_left = np.maximum(first[:, None, :2], second[:, :2])
    bottom_right = np.minimum(first[:, None, 2:], second[:, 2:])
    return np.prod(np.maximum(bottom_right - top_left, 0), axis=2)


def _area(boxes: np.ndarray) -> np.ndarray:  # yxyx [N, 4] -> [N]
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
