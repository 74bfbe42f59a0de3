"""Anchors and their matching as who looks at data needs them, without a model. No TensorFlow."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AnchorGrid:
    """The anchors of one size of image, by feature map, yxyx normalized: float32 [rows, columns, anchors there, 4]."""

    levels: list[np.ndarray]

    @functools.cached_property
    def anchors(self) -> np.ndarray:
        """All of them in the detector's order, float32 [anchors, 4]."""
        return np.concatenate([level.reshape(-1, 4) for level in self.levels])


@dataclass(frozen=True)
class AnchorMatching:
    """How training gives boxes to anchors."""

    similarity_name: str
    """What `similarity` measures: "iou", "ioa" or "thresholded_iou"."""
    similarity: Callable
    """(boxes [n, 4], anchors [m, 4]) to [n, m]; below every threshold for an anchor that training leaves out."""
    matched_threshold: float
    """The similarity from which on an anchor is matched; minus infinity where any is."""
    force_match: bool
    """Whether a box that no anchor is similar enough to gets its most similar one all the same."""
