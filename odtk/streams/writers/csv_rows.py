"""detections.csv: a row per box in the columns of TFOD's tutorials, which `odtk make-tfrecords` reads, and more."""

import csv
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from odtk.detections import Detections
from odtk.streams.boxes import as_pixels
from odtk.streams.frame import Frame
from odtk.streams.writer import Writer

FILE = "detections.csv"
_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_MORE = ("score", "class_id", "image_id", "source", "frame", "seconds", "track_id")


class CsvWriter(Writer):
    """A picture without boxes has a row without one, so that it is known to have been looked at."""

    def __init__(self, folder: Path, name_of: Callable[[int], str], top: int | None = None, are_drawn_on: bool = False):
        """`top`: so many classes of each box have columns, with their scores; `are_drawn_on`: the pictures beside."""
        super().__init__(folder, name_of)
        if are_drawn_on:
            self.notes.append(
                f"the pictures beside {FILE} have boxes drawn on them, so do not train on them; "
                "save yolo or voc for a dataset."
            )
        self._top, self._count = top or 0, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / FILE, "w", encoding="utf-8", errors="surrogateescape", newline="")  # noqa: SIM115
        self._rows = csv.writer(self._file)
        ranks = range(1, self._top + 1)
        self._rows.writerow(
            [*_COLUMNS, *_MORE, *(f"top_{rank}_{what}" for rank in ranks for what in ("name", "score"))]
        )

    def write(self, frame: Frame, found: Detections, drawn: Callable[[], Image.Image]) -> None:
        """See `Writer.write`."""
        height, width = frame.pixels.shape[:2]
        number, seconds = ("", "") if frame.seconds is None else (frame.number, f"{frame.seconds:.6f}")
        start, end = (frame.picture_name, width, height), (frame.image_id, frame.source, number, seconds)
        if not len(found):
            self._rows.writerow([*start, "", "", "", "", "", "", "", *end, "", *[""] * (2 * self._top)])
        for index, (ymin, xmin, ymax, xmax) in enumerate(as_pixels(found.boxes, width, height).round(3).tolist()):
            class_id = int(found.classes[index])
            track = "" if found.track_ids is None else int(found.track_ids[index]) or ""
            box = self.name_of(class_id), xmin, ymin, xmax, ymax, f"{found.scores[index]:.7g}", class_id
            self._rows.writerow([*start, *box, *end, track, *self._top_cells(found, index)])
        self._count += len(found)

    def _top_cells(self, found: Detections, index: int) -> list[str]:
        if not self._top:
            return []
        best = found.top_classes(index, self._top)
        cells = [cell for class_id, score in best for cell in (self.name_of(class_id), f"{score:.7g}")]
        return cells + [""] * (2 * self._top - len(cells))

    def finish(self) -> None:
        """See `Writer.finish`."""
        self._file.close()

    def written(self) -> str:
        """See `Writer.written`."""
        return f"{FILE} ({self._count} box{'es' * (self._count != 1)})"
