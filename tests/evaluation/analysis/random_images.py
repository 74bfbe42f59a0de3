"""Random groundtruth and detections of an image, with equal overlaps, equal scores and crowds."""

import numpy as np

from odtk.evaluation.results import ImageResult


def random_image(seed: int, num_classes: int = 3) -> ImageResult:
    """Boxes on a coarse grid, so that many overlap equally, some of them crowds."""
    random = np.random.default_rng(seed)
    truths, found = random.integers(0, 7), random.integers(0, 30)
    crowds = random.random(truths) < 0.3
    boxes = random_boxes(random, truths)
    return ImageResult(
        source_id=f"{seed}.jpg",
        size=(100, 100),
        boxes=boxes,
        classes=random.integers(1, num_classes + 1, truths),
        areas=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        ignored=crowds,
        crowds=crowds,
        detected_boxes=random_boxes(random, found),
        detected_classes=random.integers(1, num_classes + 1, found),
        scores=np.sort(random.integers(1, 20, found) / 20)[::-1].astype(np.float32),
    )


def random_boxes(random, count: int) -> np.ndarray:
    """yxyx float32 [count, 4] on a grid of 10 pixels."""
    corner, size = random.integers(0, 6, [count, 2]) * 10, random.integers(1, 5, [count, 2]) * 10
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32)
