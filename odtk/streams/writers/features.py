"""features.npz: a vector of each picture and of each box, for whoever looks for what is alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from odtk.detections import Detections
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer

FILE = "features.npz"

FeaturesOf = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(pixels, normalized yxyx boxes [n, 4]) to the vectors of the picture, [channels], and of the boxes, [n, channels]."""


class FeatureWriter(Writer):
    """Arrays with a row per picture (`image_...`) and with a row per box (`box_...`); `box_image` joins them.

    numpy.load reads it without pickle. All is kept in memory until the end: about a kilobyte per vector.
    """

    def __init__(self, folder: Path, name_of: Callable[[int], str], features_of: FeaturesOf, layer: str | None = None):
        """`layer` is only noted in the file."""
        super().__init__(folder, name_of)
        self._features_of, self._layer = features_of, layer
        self._images: list[tuple[str, int, float]] = []  # name, id, second
        self._image_vectors: list[np.ndarray] = []
        self._boxes: list[tuple[int, Detections, np.ndarray]] = []  # the number of the picture, its boxes and vectors

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        image, boxes = self._features_of(frame.pixels, found.boxes)
        self._boxes.append((len(self._images), found, boxes))
        self._images.append((frame.picture_name, frame.image_id, np.nan if frame.seconds is None else frame.seconds))
        self._image_vectors.append(image)

    def finish(self) -> None:
        """See `Writer.finish`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez(self.folder / FILE, **self._arrays())  # none of objects, so nothing is pickled

    def written(self) -> str:
        """See `Writer.written`."""
        boxes = sum(len(found) for _, found, _ in self._boxes)
        return f"{FILE} ({len(self._images)} pictures and {boxes} boxes)"

    def _arrays(self) -> dict[str, Any]:
        channels = len(self._image_vectors[0]) if self._image_vectors else 0
        names, ids, seconds = zip(*self._images, strict=True) if self._images else ((), (), ())
        found = [each for _, each, _ in self._boxes]
        classes = _joined([each.classes for each in found], np.int32)
        tracks = [np.zeros(len(each), np.int64) if each.track_ids is None else each.track_ids for each in found]
        return {
            "image_vectors": np.array(self._image_vectors, np.float32).reshape(len(names), channels),
            "image_names": np.array(names, str),
            "image_ids": np.array(ids, np.int64),
            "image_seconds": np.array(seconds, np.float64),
            "box_vectors": _joined([vectors for _, _, vectors in self._boxes], np.float32).reshape(
                len(classes), channels
            ),
            "box_image": np.repeat(np.arange(len(found)), [len(each) for each in found]),
            "box_yxyx": _joined([each.boxes for each in found], np.float32).reshape(-1, 4),
            "box_classes": classes,
            "box_names": np.array([self.name_of(number) for number in classes.tolist()], str),
            "box_scores": _joined([each.scores for each in found], np.float32),
            "box_tracks": _joined(tracks, np.int64),
            "layer": np.array(self._layer or "pyramid"),
        }


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)
