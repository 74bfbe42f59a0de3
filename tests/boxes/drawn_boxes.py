"""Random boxes for the tests of box arithmetic."""

import numpy as np


def draw_boxes(seed: int, *shape: int) -> np.ndarray:
    """Normalized yxyx float32 [*shape, 4], none of them empty, some reaching over the frame's edge."""
    rng = np.random.default_rng(seed)
    center = rng.uniform(0, 1, size=(*shape, 2))
    half = rng.uniform(0.02, 0.35, size=(*shape, 2))
    return np.concatenate([center - half, center + half], axis=-1).astype(np.float32)


def slow_iou(box, other) -> float:
    """Intersection over union of two boxes, one number at a time."""
    height = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    width = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    union = sum(areas) - height * width
    return height * width / union if union > 0 else 0.0
