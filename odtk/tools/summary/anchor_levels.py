"""The anchors of each level of the pyramid, and how large they are in the original images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from odtk.detectors.parts.anchor_grid import AnchorGrid
    from odtk.tools.summary.image_sizes import Frame

Size = tuple[float, float]  # height and width in pixels


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one feature map."""

    rows: int
    columns: int
    per_cell: int
    stride: float | None  # pixels of the model's input from a row to the next; None if there is one row
    input_sizes: tuple[Size, ...]  # of the anchors of a cell, in the model's input
    original_sizes: tuple[Size, ...]  # the same in the original images

    @property
    def count(self) -> int:
        """All anchors of the level."""
        return self.rows * self.columns * self.per_cell


def anchor_levels(grid: AnchorGrid | None, frame: Frame) -> list[AnchorLevel]:
    """The levels, finest first; none for a model without anchors. Sizes are those before anchors are clipped."""
    return [] if grid is None else [_level(anchors, frame) for anchors in grid.whole_levels]


def _level(anchors: np.ndarray, frame: Frame) -> AnchorLevel:
    rows, columns, per_cell, _ = anchors.shape
    cell = anchors[rows // 2, columns // 2]
    sides = (cell[:, 2:] - cell[:, :2]) * frame.padded  # [per cell, 2]
    original = sides * np.divide(frame.original, frame.scaled)
    step = None if rows < 2 else float(anchors[1, 0, 0, 0] - anchors[0, 0, 0, 0]) * frame.padded[0]
    return AnchorLevel(rows, columns, per_cell, step, _sizes(sides), _sizes(original))


def _sizes(sides: np.ndarray) -> tuple[Size, ...]:
    return tuple((float(height), float(width)) for height, width in sides)
