"""The interface of annotation formats: a cheap list of a dataset's images, and the objects of each on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from odtk.annotations.annotated_image import Problem

# The orders in which the four numbers of a box may be written, and the conversions to yxyx, for numbers or arrays.
ORDERS: dict[str, Callable] = {
    "xyxy": lambda xmin, ymin, xmax, ymax: (ymin, xmin, ymax, xmax),
    "xywh": lambda xmin, ymin, width, height: (ymin, xmin, ymin + height, xmin + width),
    "yxyx": lambda ymin, xmin, ymax, xmax: (ymin, xmin, ymax, xmax),
    "cxcywh": lambda x, y, width, height: (y - height / 2, x - width / 2, y + height / 2, x + width / 2),
}

OUTLINE = "outline"
"""Instead of an order: the box was not written as four numbers, but is the bounding box of an outline."""


@dataclass(frozen=True)
class MarkedObject:
    """One object as annotated, before normalizing."""

    class_name: str
    box: tuple[float, float, float, float]  # yxyx; in pixels, or 0..1 where the annotation is `normalized`
    line: int | None = None
    difficult: bool = False
    truncated: int = 0
    pose: str = "Unspecified"
    is_crowd: bool = False
    area: float | None = None  # pixels
    segmentation: object | None = None  # COCO's polygons or RLE, as in the JSON; `coco_masks.decode_mask` decodes it
    which: str = ""  # for messages, if no line number identifies the object: "annotation 17"
    written: str = "xyxy"  # the order of the box's numbers (of ORDERS), or OUTLINE

    @property
    def shown(self) -> str:
        """The object as it is shown in messages."""
        return f"{self.class_name} ({self.which})" if self.which else self.class_name

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """The four numbers of the box, as written."""
        ymin, xmin, ymax, xmax = self.box
        if self.written == "xywh":
            return xmin, ymin, xmax - xmin, ymax - ymin
        if self.written == "cxcywh":
            return (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
        if self.written == "yxyx":
            return self.box
        return xmin, ymin, xmax, ymax

    def corners(self, order: str | None = None) -> tuple[float, float, float, float]:
        """The box as yxyx, with its numbers read in `order` instead of the format's, if given."""
        return self.box if order in (None, self.written) or self.written == OUTLINE else ORDERS[order](*self.numbers)


@dataclass(frozen=True)
class ImageAnnotation:
    """The path of one image, and the contents of its annotation."""

    image_path: str  # of the image file; checked to be inside the dataset's folder
    filename: str  # in the record: posix, relative to the image root (for flat folders the bare name)
    objects: tuple[MarkedObject, ...]
    normalized: bool = False
    stated_size: tuple[int, int] | None = None  # (width, height) in the annotation
    annotation_path: str | None = None  # for messages
    place: str | None = None  # likewise, if that file also has the annotations of other images
    size_line: int | None = None
    source_id: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One image of a dataset: cheap (a million fit in memory) and picklable."""

    key: str  # unique in the dataset, posix path relative to its folder; images are sorted by it
    split: str | None  # in the dataset itself: "train", "val", "test"; None if it has no splits
    entry: Any  # what the format needs to read the image


class Dataset(Protocol):
    """A dataset of some format; picklable, for worker processes and Beam."""

    @property
    def format(self) -> str:
        """One of "voc", "coco", "yolo" and "csv"."""
        ...

    @property
    def folder(self) -> str:
        """Where it is."""
        ...

    @property
    def listed(self) -> Sequence[Listed]:
        """Its images, sorted by key."""
        ...

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes where the dataset itself lists them; None if only annotations name them."""
        ...

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Those of the dataset as a whole."""
        ...

    def read(self, listed: Listed) -> ImageAnnotation:
        """The annotation of one image of `listed`; raises UnusableImage if it cannot be used."""
        ...
