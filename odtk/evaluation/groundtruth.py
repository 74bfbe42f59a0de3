"""Groundtruth that is not in records: annotated images, to be measured against any detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from odtk.evaluation.results import ImageResult, Results


@dataclass(frozen=True)
class Groundtruth:
    """The annotated images of a dataset."""

    name: str  # as the user knows it
    results: Results  # without detections
    image_ids: Sequence[int | str] = ()  # COCO's, one for each image; empty if the format has none
    class_ids: Mapping[int | str, int] = field(default_factory=dict)  # the format's own to those of `results`
    notes: Sequence[str] = ()  # sentences on what is left out


def with_detections(image: ImageResult, boxes: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> ImageResult:
    """The image with detections: boxes yxyx in pixels [M, 4], classes int [M] from 1 and scores [M], in any order."""
    order = np.argsort(-scores, kind="stable")
    return replace(image, detected_boxes=boxes[order], detected_classes=classes[order], scores=scores[order])
