"""An SQLite file of all images and boxes of a target, written by `odtk inspect --index`, and what is asked of it.

Reading it needs neither the dataset to be listed again nor much memory: a gallery of a million images asks for a page.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtk.atomic import atomic_file
from odtk.errors import DataError

if TYPE_CHECKING:
    from odtk.datasets.scan import Rows
    from odtk.findings import Finding

SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}
"""COCO's sizes of boxes: areas in pixels of the image, from and below."""

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE classes (number INTEGER PRIMARY KEY, name TEXT, color INTEGER, images INTEGER, boxes INTEGER);
CREATE TABLE images (number INTEGER PRIMARY KEY, name TEXT, split TEXT, width INTEGER, height INTEGER, file BLOB,
  offset INTEGER, size INTEGER, turned INTEGER, bits INTEGER, boxes INTEGER);
CREATE TABLE boxes (image INTEGER, number INTEGER, class INTEGER, mark TEXT, ymin REAL, xmin REAL, ymax REAL, xmax REAL,
  area REAL, PRIMARY KEY (image, number)) WITHOUT ROWID;
CREATE TABLE findings (number INTEGER PRIMARY KEY, severity TEXT, kind TEXT, text TEXT, fix TEXT, count INTEGER);
CREATE TABLE examples (finding INTEGER, image INTEGER, boxes TEXT, text TEXT);
"""
# Boxes need none: they lie by image, and a page of a gallery ends its search when it is full.
_INDEXES = """
CREATE INDEX examples_of_image ON examples (image);
"""


def write(path: str | os.PathLike, rows: Rows, findings: Sequence[Finding]) -> None:
    """Writes the index of scanned images, atomically; `findings` are those of these rows, worst first."""
    with atomic_file(path) as part, contextlib.closing(sqlite3.connect(part)) as database, database:
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        about = {"target": rows.target.name, "kind": rows.target.kind}
        database.executemany("INSERT INTO about VALUES (?, ?)", [(key, _text(value)) for key, value in about.items()])
        database.executemany("INSERT INTO classes VALUES (?, ?, ?, ?, ?)", _classes(rows))
        database.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _images(rows))
        database.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _boxes(rows))
        told = [(n, f.severity, f.kind, _text(f.text), _text(f.fix), f.count) for n, f in enumerate(findings)]
        database.executemany("INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?)", told)
        database.executemany("INSERT INTO examples VALUES (?, ?, ?, ?)", _examples(findings))
        database.executescript(_INDEXES)


def _text(value: str) -> str:
    """A text that UTF-8 can hold: file names may be of any bytes."""
    return value.encode("utf-8", "replace").decode()


def _classes(rows: Rows) -> Iterator[tuple]:
    import numpy as np

    colors = rows.color_numbers
    for number, name in enumerate(rows.class_names):
        found = np.flatnonzero(rows.class_of == number)
        color = colors.get(name, max(int(rows.class_id[found[0]]), 0)) if len(found) else 0
        yield number, _text(name), color, len(np.unique(rows.image[found])), len(found)


def _images(rows: Rows) -> Iterator[tuple]:
    for number, (source, index) in enumerate(rows.place.tolist()):
        name, pixels = rows.target.sources[source].found_at(index)
        yield (
            number, _text(name), rows.split_of(number), int(rows.width[number]), int(rows.height[number]),
            os.fsencode(pixels.file), pixels.offset, pixels.size, bool(rows.turned[number]), pixels.bits,
            int(rows.num_boxes[number]),
        )  # fmt: skip


def _boxes(rows: Rows) -> Iterator[tuple]:
    ymin, xmin, ymax, xmax = rows.boxes.T
    areas = (ymax - ymin) * rows.height[rows.image] * (xmax - xmin) * rows.width[rows.image]
    numbers = range(len(rows.image))
    columns = (rows.image, rows.class_of, rows.mark_of, areas)
    for at, image, class_of, mark, area in zip(numbers, *(column.tolist() for column in columns), strict=True):
        yield image, at - int(rows.first_box[image]), class_of, rows.mark_names[mark], *rows.boxes[at].tolist(), area


def _examples(findings: Sequence[Finding]) -> Iterator[tuple]:
    for number, finding in enumerate(findings):
        for example in finding.examples:
            for position, row in enumerate(example.rows):
                boxes = list(example.boxes) if position == 0 else []
                yield number, int(row), json.dumps([int(box) for box in boxes]), _text(example.text)


@dataclass(frozen=True)
class IndexedClass:
    """A class, the number that determines its color, and how often it is there."""

    number: int
    name: str
    color: int
    images: int
    boxes: int


@dataclass(frozen=True)
class IndexedFinding:
    """A finding with images to show."""

    number: int
    severity: str
    kind: str
    text: str
    images: int


@dataclass(frozen=True)
class IndexedBox:
    """A box of an image."""

    name: str
    color: int
    mark: str
    yxyx: tuple[float, float, float, float]  # normalized
    area: float  # pixels of the image


@dataclass(frozen=True)
class IndexedImage:
    """An image, and where its pixels are: a file, or a record in one."""

    number: int
    name: str
    split: str
    width: int  # pixels, as the model gets them
    height: int
    file: str
    offset: int | None  # of the record, bytes
    size: int  # of the record
    turned: bool  # rotated by its EXIF orientation
    bits: int  # of a pixel, if the dataset uses only part of them; else 0
    boxes: int


@dataclass(frozen=True)
class Wanted:
    """What images are asked for; what is empty or None does not matter. Class and size are of the same box."""

    class_name: str = ""
    size: str = ""  # one of SIZES
    split: str = ""
    finding: int | None = None
    name: str = ""  # a part of the image's name
    is_empty: bool = False  # images without boxes

    def condition(self) -> tuple[str, list[Any]]:
        """SQL about `images`, and its values."""
        texts: list[str] = ["1"]
        values: list[Any] = []
        for text, value in ((_SPLIT, self.split), (_NAME, _like(self.name)), (_FINDING, self.finding)):
            if value not in ("", None):
                texts.append(text)
                values.append(value)
        if self.class_name or self.size:
            texts.append(_BOXES.format(_CLASS if self.class_name else ""))
            values += SIZES.get(self.size, (float("-inf"), float("inf")))
            values += [self.class_name] * bool(self.class_name)
        texts += ["boxes = 0"] * self.is_empty
        return " AND ".join(texts), values


_SPLIT, _NAME = "split = ?", "name LIKE ? ESCAPE '\\'"
_FINDING = "number IN (SELECT image FROM examples WHERE finding = ?)"
_BOXES = "EXISTS (SELECT 1 FROM boxes WHERE image = images.number AND area >= ? AND area < ? {})"
_CLASS = "AND class = (SELECT number FROM classes WHERE name = ?)"


def _like(part: str) -> str:
    for sign in "\\%_":
        part = part.replace(sign, f"\\{sign}")
    return f"%{part}%" if part else ""


class ImageIndex:
    """Answers from an index file; may be used by one thread at a time. Raises DataError if there is no such file."""

    def __init__(self, path: str | os.PathLike):
        try:
            self._database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
            self._database.execute("SELECT 1 FROM images")
        except sqlite3.Error as error:
            raise DataError(f"{os.fspath(path)} is not an index that odtk inspect wrote: {error}.") from error

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def __enter__(self) -> ImageIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def classes(self) -> list[IndexedClass]:
        """The classes, the most frequent first."""
        return [IndexedClass(*row) for row in self._all("SELECT * FROM classes ORDER BY boxes DESC, name")]

    def splits(self) -> list[str]:
        """The names of the splits."""
        return [name for (name,) in self._all("SELECT DISTINCT split FROM images ORDER BY rowid")]

    def findings(self) -> list[IndexedFinding]:
        """The findings that have examples with images, the worst first."""
        text = """SELECT number, severity, kind, findings.text, count(DISTINCT image) FROM findings JOIN examples
            ON finding = number GROUP BY number ORDER BY number"""
        return [IndexedFinding(*row) for row in self._all(text)]

    def count(self, wanted: Wanted) -> int:
        """How many images there are of these."""
        condition, values = wanted.condition()
        return self._all(f"SELECT count(*) FROM images WHERE {condition}", values)[0][0]

    def some(self, wanted: Wanted, first: int, count: int) -> list[IndexedImage]:
        """At most `count` images from `first` on, in their order in the dataset."""
        condition, values = wanted.condition()
        text = f"SELECT * FROM images WHERE {condition} ORDER BY number LIMIT ? OFFSET ?"
        return list(_as_images(self._all(text, [*values, count, first])))

    def beside(self, wanted: Wanted, number: int) -> tuple[int | None, int | None]:
        """The numbers of the images before and after one, among those that are asked for."""
        condition, values = wanted.condition()
        text = f"SELECT number FROM images WHERE {condition} AND number {{}} ? ORDER BY number {{}} LIMIT 1"
        before = self._all(text.format("<", "DESC"), [*values, number])
        after = self._all(text.format(">", "ASC"), [*values, number])
        return before[0][0] if before else None, after[0][0] if after else None

    def image(self, number: int) -> IndexedImage:
        """One image; DataError if there is none."""
        found = list(_as_images(self._all("SELECT * FROM images WHERE number = ?", [number])))
        if not found:
            raise DataError(f"There is no image {number}. The dataset may have been inspected again since.")
        return found[0]

    def boxes(self, number: int) -> list[IndexedBox]:
        """The boxes of an image."""
        text = """SELECT name, color, mark, ymin, xmin, ymax, xmax, area FROM boxes JOIN classes
            ON classes.number = class WHERE image = ? ORDER BY boxes.number"""
        return [
            IndexedBox(name, color, mark, (ymin, xmin, ymax, xmax), area)
            for name, color, mark, ymin, xmin, ymax, xmax, area in self._all(text, [number])
        ]

    def remarks(self, number: int) -> list[tuple[str, str, str]]:
        """What findings say of an image: severity, kind, and the example's text."""
        text = """SELECT severity, kind, examples.text FROM examples JOIN findings ON finding = number
            WHERE image = ? ORDER BY number"""
        return self._all(text, [number])

    def _all(self, text: str, values: Sequence[Any] = ()) -> list[tuple]:
        return self._database.execute(text, values).fetchall()


def _as_images(found: Iterable[tuple]) -> Iterator[IndexedImage]:
    for number, name, split, width, height, file, offset, size, turned, bits, boxes in found:
        yield IndexedImage(
            number, name, split, width, height, os.fsdecode(file), offset, size, bool(turned), bits, boxes
        )
