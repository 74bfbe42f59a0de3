"""Drawn pictures."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from odtk.detections import Detections
from odtk.report.picture_files import write_picture
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer


class PictureWriter(Writer):
    """Each picture with its boxes, under the frame's `picture_name`."""

    def __init__(self, folder: Path, name_of: Callable[[int], str], only_still: bool = False):
        """`only_still`: frames of videos are left out."""
        super().__init__(folder, name_of)
        self._only_still, self._count = only_still, 0

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        if frame.is_still or not self._only_still:
            write_picture(drawn(), self.folder / frame.picture_name)
            self._count += 1

    def written(self) -> str:
        """See `Writer.written`."""
        return f"{self._count} drawn picture{'s' * (self._count != 1)}" if self._count or not self._only_still else ""
