"""Anchors and matching for the analysis of data, without a model. No TensorFlow."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AnchorGrid:
    """The anchors for one image size, by feature map, yxyx normalized: float32 [rows, columns, anchors per cell, 4]."""

    levels: list[np.ndarray]
    unclipped: list[np.ndarray] | None = None
    """The same before they are clipped to the image; None if they are not."""

    @property
    def whole_levels(self) -> list[np.ndarray]:
        """The levels with anchors as large as they are, wherever they reach."""
        return self.levels if self.unclipped is None else self.unclipped

    @functools.cached_property
    def anchors(self) -> np.ndarray:
        """All anchors in the detector's order, float32 [anchors, 4]."""
        return np.concatenate([level.reshape(-1, 4) for level in self.levels])


@dataclass(frozen=True)
class AnchorMatching:
    """How training matches boxes and anchors."""

    similarity_name: str
    """What `similarity` measures: "iou", "ioa", "thresholded_iou" or "neg_sq_dist"."""
    similarity: Callable
    """(boxes [..., n, 4], anchors [..., m, 4]) to [..., n, m]"""
    matched_threshold: float
    """The minimum similarity of a matched anchor; minus infinity if there is none."""
    force_match: bool
    """Whether a box without a similar enough anchor gets its most similar one anyway."""
    leaves_out_outside: bool = False
    """Whether anchors that reach over the image are left out of training."""

    def takes(self, anchors: np.ndarray) -> np.ndarray:
        """Which anchors yxyx normalized [..., 4] training matches: bool [...]."""
        if not self.leaves_out_outside:
            return np.ones(anchors.shape[:-1], bool)
        return np.all((anchors[..., :2] >= 0) & (anchors[..., 2:] <= 1), axis=-1)
