"""Detected boxes as annotations have them: inside the picture, none without an area."""

import numpy as np

from odtk.detections import Detections

_SMALLEST = 1e-3  # of a pixel, below which a box is empty in files with three decimals


def as_pixels(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Normalized yxyx boxes [N, 4] as float64 pixels, clipped to the picture."""
    return np.clip(boxes.astype(np.float64).reshape(-1, 4), 0, 1) * [height, width, height, width]


def without_empty(found: Detections, width: int, height: int) -> Detections:
    """The detections whose box has an area inside the picture: annotation formats have no others."""
    ymin, xmin, ymax, xmax = as_pixels(found.boxes, width, height).T
    return found.take((ymax - ymin > _SMALLEST) & (xmax - xmin > _SMALLEST))
