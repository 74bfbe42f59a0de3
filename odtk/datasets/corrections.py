"""Corrections of annotations, written back into a dataset's own files, whatever its format.

They come as a table, `corrections.csv`: a row for each box that someone looked at, with the columns of `COLUMNS`. Boxes
are in pixels of a picture of `width` and `height`, upright as in a record. `decision` is `keep` (nothing is changed),
`discard` (the annotated box is removed) or `change` (it gets `class` and the box ymin, xmin, ymax, xmax; without an
annotated box this is a new one).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odtk import files
from odtk.atomic import write_bytes
from odtk.errors import DataError
from odtk.terminal_text import on_one_line

Yxyx = tuple[float, float, float, float]

KEEP, CHANGE, DISCARD = DECISIONS = ("keep", "change", "discard")
_SIDES = ("ymin", "xmin", "ymax", "xmax")
COLUMNS = (
    *("image", "decision", "annotated_class", *(f"annotated_{side}" for side in _SIDES)),
    *("class", *_SIDES, "width", "height"),
)
RANK, SUSPECT = "rank", "suspect"
"""Further columns, which may be empty or absent: which suspect the row is about."""


@dataclass(frozen=True)
class Correction:
    """What becomes of one box; boxes are yxyx, normalized to the upright picture."""

    image: str
    """The image's name in the records: its source_id."""
    decision: str
    annotated_class: str = ""
    annotated_box: Yxyx | None = None
    """None for an object that was not annotated."""
    class_name: str = ""
    box: Yxyx | None = None
    line: int | None = field(default=None, compare=False)
    """In the table."""
    suspect: str = ""
    """Which one it is about, by the table."""

    @property
    def said(self) -> str:
        """The correction as it is named in messages."""
        return on_one_line(f"{self.image}, {self.annotated_class or self.class_name}")


def read_corrections(path: str | os.PathLike) -> list[Correction]:
    """The rows of a table; raises DataError, which names the line, for one that says nothing clear."""
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Give a table of corrections.") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}. Expected are the columns {', '.join(COLUMNS)}.")
    return [_correction(path, row, reader.line_num) for row in reader]


def _correction(path: str | os.PathLike, row: Mapping[str, Any], line: int) -> Correction:
    where = f"{path}:{line}"
    decision = row["decision"]
    if decision not in DECISIONS:
        raise DataError(f"{where}: the decision is {decision!r}. Write {', '.join(DECISIONS)}.")
    size = _numbers(where, [row["height"], row["width"]])
    if not all(side > 0 for side in size):
        raise DataError(f"{where}: the picture is {row['width']} x {row['height']} pixels. Give its width and height.")
    annotated = _box(where, row, "annotated_", size, is_clipped=True)
    box = _box(where, row, "", size)
    if decision == DISCARD and annotated is None:
        raise DataError(f"{where}: there is no annotated box to discard.")
    if decision == CHANGE and (box is None or not row["class"]):
        raise DataError(f"{where}: a change needs a class and a box.")
    suspect = row.get(SUSPECT) or ""
    return Correction(row["image"], decision, row["annotated_class"], annotated, row["class"], box, line, suspect)


def _box(
    where: str, row: Mapping[str, Any], prefix: str, size: Sequence[float], is_clipped: bool = False
) -> Yxyx | None:
    """A box of a row; with `is_clipped` its part in the picture, as records may have boxes that reach over it."""
    texts = [row[prefix + side] for side in _SIDES]
    if not any(texts):
        return None
    top, left, bottom, right = _numbers(where, texts)
    height, width = size
    box = (top / height, left / width, bottom / height, right / width)
    if is_clipped:
        box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], 1.0), min(box[3], 1.0))
    if not (0 <= box[0] < box[2] <= 1 + 1e-6 and 0 <= box[1] < box[3] <= 1 + 1e-6):
        raise DataError(f"{where}: the box {', '.join(texts)} has no area, or is not inside the picture.")
    return box


def _numbers(where: str, texts: Sequence[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except (TypeError, ValueError):
        raise DataError(f"{where}: {', '.join(map(str, texts))} are not all numbers.") from None


def write_corrections(path: str | os.PathLike, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table of rows with the keys of COLUMNS, boxes in pixels."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, (*COLUMNS, RANK, SUSPECT), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(Path(path), text.getvalue().encode())
