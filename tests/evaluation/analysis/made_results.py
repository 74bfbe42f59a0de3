"""Results made of a few boxes, for tests of analyses."""

from collections.abc import Sequence

import numpy as np

from odtk.evaluation.results import ImageResult, Results

CAT, DOG, HORSE = 1, 2, 3
NAMES = {CAT: "cat", DOG: "dog", HORSE: "horse"}


def made_image(
    truths: Sequence[tuple],
    found: Sequence[tuple],
    ignored: Sequence[bool] | None = None,
    name: str = "a.jpg",
    size: tuple[int, int] = (100, 100),
) -> ImageResult:
    """Of groundtruth (box yxyx, class) and detections (box yxyx, class, score)."""
    boxes = np.float32([box for box, _ in truths]).reshape(-1, 4)
    found = sorted(found, key=lambda each: -each[2])
    return ImageResult(
        source_id=name,
        size=size,
        boxes=boxes,
        classes=np.array([class_id for _, class_id in truths], int),
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=float),
        ignored=np.zeros(len(truths), bool) if ignored is None else np.array(ignored, bool),
        detected_boxes=np.float32([box for box, _, _ in found]).reshape(-1, 4),
        detected_classes=np.array([class_id for _, class_id, _ in found], int),
        scores=np.array([score for _, _, score in found], np.float32),
        place=(f"{name}.record", 0),
    )


def made_results(*images: ImageResult, names: dict | None = None) -> Results:
    """Results of these images."""
    return Results(images, NAMES if names is None else names)
