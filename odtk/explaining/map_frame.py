"""Where the cells of a feature map lie on the picture, which was resized and maybe padded for the network."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class MapFrame:
    """The sizes (height, width) in pixels of one image: as given, as resized, and as padded for the network."""

    picture: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]

    def on_picture(self, values: np.ndarray, size: tuple[int, int] | None = None, smooth: bool = True) -> np.ndarray:
        """A map [rows, columns] as float32 [height, width] over the picture, or a scaled one of `size`.

        Padding is cut off. `smooth` interpolates between the centers of cells; without it each cell is a rectangle.
        """
        height, width = size or self.picture
        rows, columns = values.shape
        bottom = min(self.resized[0] / stride(self.padded[0], rows), rows)
        right = min(self.resized[1] / stride(self.padded[1], columns), columns)
        resample = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        image = Image.fromarray(np.asarray(values, np.float32))
        return np.asarray(image.resize((width, height), resample, box=(0, 0, right, bottom)))

    def to_padded(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes yxyx [n, 4], normalized to the picture, normalized to the padded image."""
        return np.asarray(boxes, np.float32).reshape(-1, 4) * self._fraction

    def to_picture(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes yxyx [n, 4], normalized to the padded image, normalized to the picture."""
        return np.asarray(boxes, np.float32).reshape(-1, 4) / self._fraction

    @property
    def _fraction(self) -> np.ndarray:
        return np.tile(np.divide(self.resized, self.padded), 2).astype(np.float32)


def stride(side: int, cells: int) -> float:
    """The pixels of a cell, if `cells` of them cover a side: networks halve, and round up what is left."""
    return 2.0 ** round(math.log2(side / cells)) if cells < side else side / cells
