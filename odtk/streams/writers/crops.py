"""Each box as a picture of its own, in a folder per class."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from odtk.detections import Detections
from odtk.report.picture_files import flat_name, write_picture
from odtk.streams.boxes import as_pixels, without_empty
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer

FOLDER = "crops"


class CropWriter(Writer):
    """Pixels of the picture itself, without anything drawn on them: crops/cat/holiday_tom-2.jpg."""

    def __init__(self, folder: Path, name_of: Callable[[int], str]):
        super().__init__(folder, name_of)
        self._count: Counter[str] = Counter()
        self._folders: dict[int, str] = {}
        self._folder_names: set[str] = set()
        self._names: dict[str, set[str]] = {}  # of the crops in each folder

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        height, width = frame.pixels.shape[:2]
        kept = without_empty(found, width, height)
        boxes = as_pixels(kept.boxes, width, height)
        for number, (box, class_id) in enumerate(zip(boxes, kept.classes.tolist(), strict=True), start=1):
            ymin, xmin, ymax, xmax = box
            pixels = frame.pixels[math.floor(ymin) : math.ceil(ymax), math.floor(xmin) : math.ceil(xmax)]
            folder = self._folder_of(class_id)
            stem, suffix = frame.picture_name.rsplit(".", 1)[0], ".jpg"
            name = flat_name(f"{stem}-{number}{suffix}", self._names.setdefault(folder, set()))
            write_picture(Image.fromarray(pixels), self.folder / FOLDER / folder / name)
            self._count[folder] += 1

    def _folder_of(self, class_id: int) -> str:
        if class_id not in self._folders:
            self._folders[class_id] = flat_name(self.name_of(class_id), self._folder_names, suffix="")
        return self._folders[class_id]

    def written(self) -> str:
        """See `Writer.written`."""
        count = sum(self._count.values())
        return (
            f"{FOLDER}/ ({count} box{'es' * (count != 1)} of {len(self._count)} class{'es' * (len(self._count) != 1)})"
        )
