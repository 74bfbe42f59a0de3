"""What a data set's format gives: a cheap list of its images, and each one's objects, as annotated, when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from odtk.annotations.annotated_image import Problem

# What the four numbers of a box may be, and how they become yxyx; numbers or arrays of them.
ORDERS: dict[str, Callable] = {
    "xyxy": lambda xmin, ymin, xmax, ymax: (ymin, xmin, ymax, xmax),
    "xywh": lambda xmin, ymin, width, height: (ymin, xmin, ymin + height, xmin + width),
    "yxyx": lambda ymin, xmin, ymax, xmax: (ymin, xmin, ymax, xmax),
    "cxcywh": lambda x, y, width, height: (y - height / 2, x - width / 2, y + height / 2, x + width / 2),
}

OUTLINE = "outline"
"""What a box is that was not written in four numbers, but is the hull of an outline."""


@dataclass(frozen=True)
class MarkedObject:
    """One object as its annotation has it, before normalising."""

    class_name: str
    box: tuple[float, float, float, float]  # yxyx; in pixels, or 0..1 where the annotation is `normalised`
    line: int | None = None
    difficult: bool = False
    truncated: int = 0
    pose: str = "Unspecified"
    is_crowd: bool = False
    area: float | None = None  # pixels
    segmentation: object | None = None  # COCO's polygons or RLE, as in the JSON; `coco_masks.decode_mask` decodes it
    which: str = ""  # for messages, where no line tells objects apart: "annotation 17"
    written: str = "xyxy"  # of ORDERS, what the numbers of the box were; or OUTLINE

    @property
    def shown(self) -> str:
        """The object as messages name it."""
        return f"{self.class_name} ({self.which})" if self.which else self.class_name

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """The four numbers of the box, as they were written."""
        ymin, xmin, ymax, xmax = self.box
        if self.written == "xywh":
            return xmin, ymin, xmax - xmin, ymax - ymin
        if self.written == "cxcywh":
            return (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
        if self.written == "yxyx":
            return self.box
        return xmin, ymin, xmax, ymax

    def corners(self, order: str | None = None) -> tuple[float, float, float, float]:
        """The box yxyx, its numbers read in another order than the format's where one is given."""
        return self.box if order in (None, self.written) or self.written == OUTLINE else ORDERS[order](*self.numbers)


@dataclass(frozen=True)
class ImageAnnotation:
    """One image's place, and what its annotation says of it."""

    image_path: str  # where its bytes are; checked to lie inside the data set's folder
    filename: str  # what the record calls it: posix, relative to the image root (for flat folders the bare name)
    objects: tuple[MarkedObject, ...]
    normalised: bool = False
    stated_size: tuple[int, int] | None = None  # (width, height) as the annotation says
    annotation_path: str | None = None  # for messages
    place: str | None = None  # likewise, where that file has the annotations of other images, too
    size_line: int | None = None
    source_id: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One image of a data set: cheap (a million fit in memory) and picklable."""

    key: str  # unique in the data set, posix path relative to its folder: the order of everything
    split: str | None  # the data set's own word: "train", "val", "test"; None where it has none
    entry: object  # whatever the format needs to read it


class Dataset(Protocol):
    """A data set of some format; picklable, so that worker processes and Beam take it along."""

    format: str  # "voc", "coco", "yolo", "csv"
    folder: str
    listed: Sequence[Listed]  # sorted by key
    class_names: tuple[str, ...] | None  # where the data set itself lists its classes; None: only annotations name them
    problems: tuple[Problem, ...]  # of the data set as a whole

    def read(self, listed: Listed) -> ImageAnnotation:
        """What the annotation says of one image of `listed`; raises UnusableImage where it cannot be used."""
        ...
