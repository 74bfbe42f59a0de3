"""A map over a picture that says what speaks for one detection. No TensorFlow."""

from dataclasses import dataclass

import numpy as np

from odtk.explaining.map_frame import MapFrame


@dataclass(frozen=True)
class HeatMap:
    """How much each place of the picture speaks for one detection."""

    values: np.ndarray
    """float32 [rows, columns], 0 and more; relative to each other, all 0 if nothing speaks for it."""
    source: str
    """What it was computed from: a layer's name, or "occlusion"."""
    frame: MapFrame | None = None
    """Where its cells are; None if it covers the picture exactly."""

    def on_picture(self, size: tuple[int, int]) -> np.ndarray:
        """float32 [height, width] over a picture that is scaled to `size`, the largest value of the map being 1."""
        peak = float(self.values.max(initial=0.0))
        values = self.values / peak if peak > 0 else self.values
        frame = self.frame or MapFrame(size, self.values.shape, self.values.shape)
        return frame.on_picture(values, size)

    def share_inside(self, box: np.ndarray, side: int = 256) -> float | None:
        """The share of the heat that is in a box, yxyx normalized; None without heat."""
        heat = self.on_picture((side, side))
        top, left, bottom, right = (round(float(edge) * side) for edge in np.clip(box, 0, 1))
        total = float(heat.sum())
        return float(heat[top : max(bottom, top + 1), left : max(right, left + 1)].sum()) / total if total else None
