"""A YOLO dataset: images/, labels/ with a text per image, data.yaml with the names of the classes."""

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from odtk.detections import Detections
from odtk.streams.boxes import without_empty
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer
from odtk.streams.writers.dataset_pictures import DatasetPictures

FOLDER = "yolo"


class YoloWriter(Writer):
    """Class ids from 0, one below those of the label map; boxes are cx, cy, width and height, normalized."""

    def __init__(self, folder: Path, name_of: Callable[[int], str], names: Mapping[int, str] | None = None):
        """`names`: those of all classes, by 1-based id, also of such as are never detected."""
        super().__init__(folder / FOLDER, name_of)
        self._pictures = DatasetPictures(self.folder / "images")
        self._names, self._images, self._boxes = dict(names or {}), 0, 0

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        height, width = frame.pixels.shape[:2]
        kept = without_empty(found, width, height)
        name = self._pictures.add(frame)
        path = self.folder / "labels" / f"{posixpath.splitext(name)[0]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        ymin, xmin, ymax, xmax = np.clip(kept.boxes.astype(np.float64), 0, 1).T
        cxcywh = np.stack([(xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin], axis=1)
        lines = [
            f"{class_id - 1} {_in_words(box)}\n" for class_id, box in zip(kept.classes.tolist(), cxcywh, strict=True)
        ]
        path.write_text("".join(lines), encoding="utf-8")
        self._names |= {number: self.name_of(number) for number in kept.classes.tolist() if number not in self._names}
        self._images, self._boxes = self._images + 1, self._boxes + len(kept)

    def finish(self) -> None:
        """See `Writer.finish`."""
        names = {number - 1: self._names[number] for number in sorted(self._names)}
        # YOLO's trainers want both keys; a dataset whose splits are the same has none for make-tfrecords. Without a
        # path both look beside this file.
        content = {"train": "images", "val": "images", "names": names}
        self.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (self.folder / "data.yaml").write_text(text, encoding="utf-8")

    def written(self) -> str:
        """See `Writer.written`."""
        return f"{FOLDER}/ ({self._images} images with {self._boxes} boxes)"


def _in_words(box: np.ndarray) -> str:
    return " ".join(f"{side:.7f}" for side in box)
