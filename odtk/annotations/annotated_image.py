"""The common form of all annotation formats: an image, its objects, and the issues found with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtk.errors import DataError
from odtk.terminal_text import on_one_line

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class AnnotatedObject:
    """One object: class (1-based id of the label map, and name), box, TFOD's three attributes, a mask, COCO's two."""

    box: tuple[float, float, float, float]  # yxyx, normalised
    class_id: int
    class_name: str
    difficult: bool = False
    truncated: int = 0
    pose: str = "Unspecified"
    mask: np.ndarray | None = field(default=None, compare=False)  # uint8 [height, width], 1 on the object
    is_crowd: bool = False
    area: float | None = None  # pixels of the image


@dataclass(frozen=True)
class AnnotatedImage:
    """An image file's bytes and name, the size in pixels by which its boxes are normalised, and its objects."""

    encoded: bytes
    filename: str
    height: int
    width: int
    objects: tuple[AnnotatedObject, ...] = ()
    source_id: str = ""  # defaults to the file name
    format: str = "jpeg"

    def __post_init__(self):
        object.__setattr__(self, "source_id", self.source_id or self.filename)


@dataclass(frozen=True)
class Problem:
    """An issue with one file (and line) of a data set; reports count issues by `kind`."""

    file: str
    line: int | None
    kind: str
    text: str

    def __str__(self) -> str:
        return on_one_line(f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}")


class UnusableImage(DataError):
    """An image that cannot become a record, with the reason.

    `is_bad` is false if the image is valid and only a rule leaves it out, so that it does not count as bad data.
    """

    def __init__(self, file: object, line: int | None, kind: str, text: str, is_bad: bool = True):
        self.problem, self.is_bad = Problem(str(file), line, kind, text), is_bad
        super().__init__(str(self.problem))
