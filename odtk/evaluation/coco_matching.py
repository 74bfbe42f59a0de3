"""COCO's matching, precision and recall of boxes in arrays, by hotcoco: pycocotools' numbers many times faster.

pycocotools remains the referee: tests compare all values with its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_COLUMNS = {"image": [], "class": [], "bbox": [4]}  # and the shape of a row


class BoxTable:
    """Boxes of all images, in arrays: an image's columns are added together."""

    def __init__(self, *names: str) -> None:
        """`names`: of the columns besides image, class and bbox."""
        self._names = (*_COLUMNS, *names)
        self._parts: list[dict[str, np.ndarray]] = []

    def append(self, image: int, yxyx: np.ndarray, classes: np.ndarray, **columns: np.ndarray) -> None:
        """Adds the boxes of `image`, whose number is above those before; a column has one value for each box."""
        # Subtracted in the caller's precision: TFOD's numbers come from float32 boxes.
        sides = yxyx[:, 1], yxyx[:, 0], yxyx[:, 3] - yxyx[:, 1], yxyx[:, 2] - yxyx[:, 0]
        images = np.full(len(yxyx), image, np.int32)
        # Copies: a view would keep the array of the whole batch.
        copies = {name: np.array(column) for name, column in columns.items()}
        self._parts.append({"image": images, "class": classes.astype(np.int32), "bbox": np.stack(sides, 1), **copies})

    def columns(self) -> dict[str, np.ndarray]:
        """`image`, `class`, `bbox` (x, y, width, height) and those that were added."""
        nothing = {name: np.zeros([0, *_COLUMNS.get(name, [])], np.int32) for name in self._names}
        return {name: np.concatenate([part[name] for part in (nothing, *self._parts)]) for name in self._names}


class Accumulated(NamedTuple):
    """COCOeval's arrays after its `accumulate`; -1 where there is no groundtruth."""

    precision: np.ndarray  # [IoU, recall, class, size, detections]
    recall: np.ndarray  # [IoU, class, size, detections]


def accumulate(class_ids: Sequence[int], groundtruth: BoxTable, detections: BoxTable) -> Accumulated:
    """Precision and recall of the classes, whose ids are sorted, by COCO's parameters.

    All boxes are of these classes. `groundtruth` has the columns area and iscrowd, `detections` area and score. A NaN
    as score is the lowest, as to pycocotools; a NaN in a detection's box makes it wrong, where pycocotools may take it
    for right.
    """
    from hotcoco import COCOeval

    truth, found = groundtruth.columns(), detections.columns()
    evaluation = COCOeval(*_sides(class_ids, truth, found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    results = evaluation.eval
    return Accumulated(results["precision"], results["recall"])


def _sides(class_ids: Sequence[int], truth: dict, found: dict) -> tuple:
    """Groundtruth and detections as hotcoco holds them."""
    from hotcoco import COCO

    images = [{"id": int(number)} for number in np.union1d(truth["image"], found["image"])]
    categories = [{"id": int(number), "name": f"{number}"} for number in class_ids]
    groundtruth = COCO.from_arrays(
        images,
        categories,
        truth["image"],
        truth["class"],
        truth["bbox"].astype(np.float64),
        area=truth["area"].astype(np.float64),
        iscrowd=truth["iscrowd"].astype(bool),
    )
    scores = np.where(np.isnan(found["score"]), -np.inf, found["score"])
    detections = groundtruth.load_res(
        np.column_stack([found["image"], found["bbox"], scores, found["class"]]).astype(float)
    )
    if len(scores):
        # Its own are the products in double precision, TFOD's those of the boxes' precision.
        detections.update_anns(ids=np.arange(1, len(scores) + 1), area=found["area"].astype(np.float64))
    return groundtruth, detections
