"""The pictures of a dataset that is written to be corrected and trained on: the very pixels that were looked at."""

import os
import posixpath
from pathlib import Path

from PIL import Image

from odtk import files
from odtk.annotations import image_files
from odtk.annotations.annotated_image import UnusableImage
from odtk.report.picture_files import write_picture
from odtk.streams.frame import Frame

_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}


class DatasetPictures:
    """Writes them to a folder, so that annotations can be beside them under the same names."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._taken: set[str] = set()

    def add(self, frame: Frame) -> str:
        """Writes the picture of a frame; returns its path in the folder, unique also without its suffix.

        A file that is shown as it is stored is copied. All others, and frames of videos, become JPEGs.
        """
        encoded, suffix = _bytes_of(frame) if frame.is_still else (None, ".jpg")
        name = self._free_stem(posixpath.splitext(frame.picture_name)[0]) + suffix
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if encoded is None:
            write_picture(Image.fromarray(frame.pixels), path)
        else:
            path.write_bytes(encoded)
        return name

    def _free_stem(self, wanted: str) -> str:
        stem, number = wanted, 1
        while stem.lower() in self._taken:
            number += 1
            stem = f"{wanted}-{number}"
        self._taken.add(stem.lower())
        return stem


def _bytes_of(frame: Frame) -> tuple[bytes | None, str]:
    """The bytes of the frame's file if a record holds them as they are and the boxes fit them; and a suffix."""
    if os.path.isfile(frame.source):
        try:
            encoded = files.read_bounded(frame.source, files.MAX_IMAGE_BYTES)
            info = image_files.header_info(encoded, frame.source)
        except (OSError, UnusableImage):
            return None, ".jpg"
        shown = (info.orientation, info.height, info.width) == (image_files.UPRIGHT, *frame.pixels.shape[:2])
        if shown and info.record_format:
            return encoded, _SUFFIXES[info.record_format]
    return None, ".jpg"
