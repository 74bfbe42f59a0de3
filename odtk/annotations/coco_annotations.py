"""One annotation of COCO's JSON: the values that are kept of it, and the object that it describes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.coco_json import Category, plain
from odtk.annotations.dataset import ORDERS, OUTLINE, MarkedObject
from odtk.annotations.rotated_boxes import rotated_hull
from odtk.annotations.value_parsing import finite, flag, short

Yxyx = tuple[float, float, float, float]


class CocoAnnotation(NamedTuple):
    """The needed values of an annotation, smaller than a dict, as a million of them are kept in memory."""

    id: object
    category_id: object
    class_name: str | None  # None: the category is unknown
    bbox: object
    iscrowd: object
    area: object
    segmentation: object
    rotation: float = 0.0  # degrees, about the center of the bbox, as written by CVAT

    @property
    def box_key(self) -> tuple:
        """Annotations with the same key are the same."""
        return self.class_name, repr(self.bbox)

    def marked(self, path: str, image: str) -> MarkedObject:
        """The object; raises UnusableImage, naming annotation and image, if category or box are unknown."""
        which = f"annotation {short(self.id)}, of {image},"
        if self.class_name is None:
            text = f"{which} has the category {short(self.category_id)}, which is not in the list."
            raise UnusableImage(path, None, "annotation of an unknown category", text)
        box = self._box()
        if box is None:
            text = f"{which} has the bbox {short(self.bbox)}; the four numbers x, y, width and height are expected."
            raise UnusableImage(path, None, "annotation cannot be read", text)
        return MarkedObject(
            self.class_name,
            box,
            is_crowd=bool(flag(self.iscrowd)),
            area=finite(self.area),
            segmentation=self.segmentation,
            which=f"annotation {short(self.id)}",
            written="xywh" if self.bbox and not self.rotation else OUTLINE,
        )

    def odd(self, place: str) -> Iterator[Problem]:
        """Deviations from COCO's format that are understood; the text is the same for all of a kind."""
        if not self.bbox and self._box():
            text = "an annotation has an outline but no bbox: the box around the outline is used."
            yield Problem(place, None, "outline made a box", text)
        if self.rotation and self._box():
            text = "an annotation's bbox is rotated (attributes.rotation): the upright box around it is used."
            yield Problem(place, None, "rotated box made upright", text)
        if self.iscrowd is not None and flag(self.iscrowd) is None:
            text = f"iscrowd is {short(self.iscrowd)}, neither 0 nor 1: read as 0."
            yield Problem(place, None, "flag not understood", text)

    def _box(self) -> Yxyx | None:
        """The box, or else the one around the outline; None if neither can be read."""
        if self.bbox is None or self.bbox == []:
            return _hull(self.segmentation)
        numbers = [finite(value) for value in self.bbox] if isinstance(self.bbox, list) else []
        if len(numbers) != 4 or None in numbers:
            return None
        box = ORDERS["xywh"](*numbers)
        return rotated_hull(box, math.radians(self.rotation)) if self.rotation else box


def read_annotation(annotation: dict, categories: Mapping[int | str, Category]) -> CocoAnnotation:
    """An annotation of a JSON file, with its category looked up."""
    category = _category(annotation.get("category_id"), categories)
    attributes = annotation.get("attributes")
    degrees = finite(attributes.get("rotation")) if isinstance(attributes, dict) else None
    return CocoAnnotation(
        id=annotation.get("id"),
        category_id=annotation.get("category_id"),
        class_name=category.name if category else None,
        bbox=annotation.get("bbox"),
        iscrowd=annotation.get("iscrowd"),
        area=annotation.get("area"),
        segmentation=annotation.get("segmentation"),
        rotation=(degrees or 0.0) % 360,
    )


def _category(written: object, categories: Mapping[int | str, Category]) -> Category | None:
    """The category of an id, or else the one whose name is written instead."""
    number = plain(written)
    if number is not None and number in categories:
        return categories[number]
    if not isinstance(written, str):
        return None
    return next((category for category in categories.values() if category.name == written.strip()), None)


def _hull(polygons: object) -> Yxyx | None:
    """The box around COCO's polygons [x1, y1, x2, y2, ...]; None for anything else."""
    parts = polygons if isinstance(polygons, list) else []
    numbers: list[list[Any]] = [
        [finite(value) for value in part] if isinstance(part, list) else [None] for part in parts
    ]
    if not numbers or any(len(part) < 6 or len(part) % 2 or None in part for part in numbers):
        return None
    xs, ys = ([value for part in numbers for value in part[start::2]] for start in (0, 1))
    return min(ys), min(xs), max(ys), max(xs)
