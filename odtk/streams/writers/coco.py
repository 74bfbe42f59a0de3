"""detections.json: COCO results, written box by box, so that an endless stream needs no memory."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from odtk.detections import DetectedImage, Detections, to_coco_results
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer

FILE = "detections.json"


class CocoWriter(Writer):
    """The form that `odtk.detections.read` reads; boxes of a video also have `seconds`."""

    def __init__(self, folder: Path, name_of: Callable[[int], str], top: int | None = None):
        """`top`: so many classes of each box are written with their scores."""
        super().__init__(folder, name_of)
        self._top, self._count = top, 0
        folder.mkdir(parents=True, exist_ok=True)
        # A name that is no UTF-8 becomes the escapes of JSON.
        self._file = open(folder / FILE, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self._file.write("[")

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        height, width = frame.pixels.shape[:2]
        image = DetectedImage(frame.image_id, frame.picture_name, width, height, found)
        for result in to_coco_results([image], self.name_of, self._top):
            seconds = {} if frame.seconds is None else {"seconds": round(frame.seconds, 6)}
            self._file.write((",\n" if self._count else "\n") + json.dumps(result | seconds, ensure_ascii=False))
            self._count += 1

    def finish(self) -> None:
        """See `Writer.finish`."""
        self._file.write("\n]\n" if self._count else "]\n")
        self._file.close()

    def written(self) -> str:
        """See `Writer.written`."""
        return f"{FILE} ({self._count} box{'es' * (self._count != 1)})"
