"""A Pascal VOC dataset: JPEGImages/ and Annotations/ with an xml per image."""

import posixpath
from collections.abc import Callable
from pathlib import Path

from lxml import etree
from PIL import Image

from odtk.detections import Detections
from odtk.streams.boxes import as_pixels, without_empty
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer
from odtk.streams.writers.dataset_pictures import DatasetPictures
from odtk.terminal_text import on_one_line

FOLDER = "voc"


class VocWriter(Writer):
    """Corners in pixels from 0, with decimals, which make-tfrecords uses as they are written."""

    def __init__(self, folder: Path, name_of: Callable[[int], str]):
        super().__init__(folder / FOLDER, name_of)
        self._pictures = DatasetPictures(self.folder / "JPEGImages")
        self._images, self._boxes = 0, 0

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        height, width = frame.pixels.shape[:2]
        kept = without_empty(found, width, height)
        name = self._pictures.add(frame)
        root = etree.Element("annotation")
        _add(root, "folder", posixpath.join("JPEGImages", posixpath.dirname(name)).rstrip("/"))
        _add(root, "filename", posixpath.basename(name))
        size = etree.SubElement(root, "size")
        for tag, value in (("width", width), ("height", height), ("depth", 3)):
            _add(size, tag, value)
        for class_id, box in zip(kept.classes.tolist(), as_pixels(kept.boxes, width, height), strict=True):
            _add_object(root, self.name_of(class_id), box.tolist())
        path = self.folder / "Annotations" / f"{posixpath.splitext(name)[0]}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(etree.tostring(root, pretty_print=True, encoding="utf-8"))
        self._images, self._boxes = self._images + 1, self._boxes + len(kept)

    def written(self) -> str:
        """See `Writer.written`."""
        return f"{FOLDER}/ ({self._images} images with {self._boxes} boxes)"


def _add_object(root: etree._Element, name: str, yxyx: list[float]) -> None:
    entry = etree.SubElement(root, "object")
    for tag, value in (("name", name), ("pose", "Unspecified"), ("truncated", 0), ("difficult", 0)):
        _add(entry, tag, value)
    box = etree.SubElement(entry, "bndbox")
    ymin, xmin, ymax, xmax = yxyx
    for tag, side in (("xmin", xmin), ("ymin", ymin), ("xmax", xmax), ("ymax", ymax)):
        _add(box, tag, f"{side:.3f}")


def _add(parent: etree._Element, tag: str, value: object) -> None:
    etree.SubElement(parent, tag).text = on_one_line(str(value))  # without what XML cannot hold
