"""The base class of all metrics sets: images are added one by one, and measured together at the end."""

import abc
import logging
from collections.abc import Hashable, Mapping

import numpy as np

from odtk.errors import DataError

_log = logging.getLogger(__name__)


class Evaluator(abc.ABC):
    """Collects the groundtruth and the detections of images, then computes metrics.

    A metrics set is a subclass and a row in `odtk.evaluation.metrics_sets.EVALUATORS`.
    """

    groundtruth_columns: tuple[str, ...] = ()
    """What `add_image` reads of every groundtruth box in addition to coordinates and class; see odtk.inputs.dataset."""
    ignored_flag: str = "is_crowd"
    """The flag of objects that need not be found: `is_crowd`, `difficult` or `group_of`."""
    metric_meanings: Mapping[str, str]
    """Metric name to its meaning, for every metric that is not of a single class or super-category."""

    def __init__(self) -> None:
        self._images: dict[Hashable, int] = {}  # the caller's id to ours, 1..N in order of arrival
        self.repeated_images: list[Hashable] = []
        self.classes: list[dict] = []
        """Once evaluated, by id: id and name of each class, images and boxes that count, and its AP under names that
        begin with "AP"."""

    @property
    def ignores_many(self) -> bool:
        """Whether `ignored_flag` marks boxes that stand for many objects: any number of detections may lie inside."""
        return self.ignored_flag in ("is_crowd", "group_of")

    @property
    def num_images(self) -> int:
        """How many images were added."""
        return len(self._images)

    def add_image(
        self, image_id: Hashable, groundtruth: Mapping[str, np.ndarray], detections: Mapping[str, np.ndarray]
    ) -> bool:
        """Adds an image, which may have no groundtruth and no detections.

        groundtruth: boxes [N, 4] yxyx in pixels, classes [N] 1-based, and `groundtruth_columns`, [N] each; a column
        that is absent or None is 0 for every box. detections: boxes [M, 4] likewise, classes [M] and scores [M].
        A repeated id is ignored with a warning, as in TFOD, and False is returned. Raises DataError if the arrays of
        one image do not fit together.
        """
        if image_id in self._images:
            _log.warning("Image %s was already evaluated; its repetition is ignored.", image_id)
            self.repeated_images.append(image_id)
            return False
        columns = {name: groundtruth.get(name) for name in self.groundtruth_columns}
        truth = _arrays(image_id, "groundtruth", groundtruth["boxes"], classes=groundtruth["classes"], **columns)
        scored = {name: detections[name] for name in ("classes", "scores")}
        found = _arrays(image_id, "detection", detections["boxes"], **scored)
        self._images[image_id] = len(self._images) + 1
        self._add(self._images[image_id], truth, found)
        return True

    @abc.abstractmethod
    def _add(self, number: int, groundtruth: dict[str, np.ndarray], detections: dict[str, np.ndarray]) -> None:
        """Stores what is needed of image `number`, 1..N; the arrays are those of `add_image`, with all columns."""

    @abc.abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Maps TFOD's name of each metric to its value over all images so far; fills `classes`."""


def _arrays(image_id: Hashable, kind: str, boxes, **columns) -> dict[str, np.ndarray]:
    boxes = np.reshape(boxes, [-1, 4])
    arrays = {name: np.zeros(len(boxes)) if value is None else np.asarray(value) for name, value in columns.items()}
    if any(len(array) != len(boxes) for array in arrays.values()):
        lengths = ", ".join(f"{len(array)} {name}" for name, array in arrays.items())
        raise DataError(
            f"Image {image_id}: {len(boxes)} {kind} boxes came with {lengths}; every box needs one entry in each. Pass "
            "arrays of one length per image."
        )
    return {"boxes": boxes, **arrays}
