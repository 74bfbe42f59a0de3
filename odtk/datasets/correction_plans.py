"""Finds the annotations that corrections are about, and what becomes of each in its file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from odtk.annotations import pets, to_record
from odtk.annotations.box_normalization import normalize
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, MarkedObject
from odtk.annotations.edits import Edit, refuse_outline
from odtk.annotations.frames import Frame, frame_of
from odtk.annotations.image_facts import UNIT, Size
from odtk.annotations.listed_dataset import SkippedImage
from odtk.datasets.corrections import DISCARD, Correction, Yxyx
from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.datasets.sources import DatasetSource, PetSource
from odtk.errors import DataError
from odtk.terminal_text import on_one_line

_SAME = 1.5  # pixels by which a box in a table may differ from the annotation, as both were rounded


@dataclass(frozen=True)
class Place:
    """An image of the dataset."""

    source: DatasetSource
    index: int
    is_pets: bool = False
    """Whether the class is in the file name, as in the Pet layout, and not in the xml."""

    @property
    def entry(self) -> Any:
        """What the format needs to read the image."""
        return self.source.listed[self.index].entry

    def annotation(self) -> ImageAnnotation:
        """The annotation, as its file has it now."""
        return self.source.dataset.read(self.source.listed[self.index])

    def read(self) -> ReadImage:
        """The annotation with what its numbers mean, for which the image is decoded."""
        annotation, rules = self.annotation(), self.source.rules
        frame = frame_of(annotation, to_record.see(annotation), rules)
        unit = UNIT if frame.normalized else frame.box_size
        boxes = [normalize(entry.corners(rules.boxes), unit) for entry in annotation.objects]
        return ReadImage(annotation, frame, unit, boxes)


@dataclass(frozen=True)
class ReadImage:
    """An image's annotation, and what its numbers mean."""

    annotation: ImageAnnotation
    frame: Frame
    unit: Size
    """The width and height that the numbers of its boxes are of."""
    boxes: Sequence[Yxyx]
    """Of its objects, normalized."""

    @property
    def path(self) -> str:
        """The file to show in messages."""
        return self.annotation.annotation_path or self.annotation.image_path

    @property
    def named_boxes(self) -> list[tuple[str, Yxyx]]:
        """Class and normalized box of each object."""
        return [(entry.class_name, box) for entry, box in zip(self.annotation.objects, self.boxes, strict=True)]

    def close(self, wanted: Yxyx) -> list[int]:
        """The indices of the boxes that may be a box of a table."""
        return [index for index, box in enumerate(self.boxes) if _is_close(wanted, _clipped(box), self.frame)]


def places_of(folder: str | os.PathLike, format: str | None, boxes: str | None, exif: str) -> dict[str, Place]:
    """The images of a dataset by their source_id."""
    target = open_target(folder, None, format, None, read_label_map=False)
    is_pets = any(isinstance(source, PetSource) for source in target.sources)
    if is_pets or boxes:  # the xml of the Pet layout are VOC's
        target = open_target(folder, None, "voc" if is_pets else format, boxes, read_label_map=False)
    places = {}
    for source in interpreted_by_headers(target).sources:
        if not isinstance(source, DatasetSource):
            raise DataError(
                f"{os.fspath(folder)} is a {target.kind}, whose annotations are not changed here. Corrections are "
                "written for VOC, COCO, YOLO and CSV."
            )
        ruled = replace(source, rules=replace(source.rules, exif=exif, boxes=boxes))
        for index, listed in enumerate(source.listed):
            if not isinstance(listed.entry, SkippedImage):
                places[_source_id(listed.entry)] = Place(ruled, index, is_pets)
    return places


def _source_id(entry: Any) -> str:
    return entry.names[1] if hasattr(entry, "names") else entry.source_id


@dataclass(frozen=True)
class Plan:
    """The edits of one image, and what it must say afterwards: classes and normalized boxes in the file's frame."""

    image: str
    place: Place
    annotation: ImageAnnotation
    edits: list[Edit]
    expected: list[tuple[str, Yxyx]]
    slack: Yxyx
    """By how much the sides may differ, as numbers are rounded."""


def plan_of(places: Mapping[str, Place], image: str, corrections: Sequence[Correction]) -> Plan:
    """The edits of an image; DataError for those that do not fit to what its file says.

    The image or a box is not there (any more), a new box is there already, or two corrections are of one box.
    """
    place = places.get(image)
    if place is None:
        raise DataError(f"There is no image {image!r} in the dataset. Make the records and evaluate again.")
    found = place.read()
    edits = [_edit(each, found, place) for each in corrections]
    taken = [edit.index for edit in edits if edit.index is not None]
    if len(set(taken)) < len(taken):
        raise DataError(f"{image}: two corrections are about the same box. Leave one out.")
    return Plan(image, place, found.annotation, edits, _expected(found, edits), _slack(found.unit))


def _slack(unit: Size) -> Yxyx:
    """Half of the last digit that is written, which is at most a whole pixel."""
    width, height = (0.76e-6, 0.76e-6) if unit == UNIT else (0.51 / unit[0], 0.51 / unit[1])
    return height, width, height, width


def _edit(correction: Correction, found: ReadImage, place: Place) -> Edit:
    index = None if correction.annotated_box is None else _find(correction, found, place.is_pets)
    entry = None if index is None else found.annotation.objects[index]
    if correction.decision == DISCARD:
        return Edit(index, entry, is_discarded=True)
    assert correction.box is not None
    box = correction.box
    if index is None:
        _refuse_second(correction, box, found, place.is_pets)
    if place.is_pets:
        correction = _of_pet(correction, entry)
    order = place.source.rules.boxes or (_order(place) if entry is None or entry.written == OUTLINE else entry.written)
    is_same_box = index is not None and correction.box == correction.annotated_box
    numbers = None if is_same_box else _numbers(box, order, found.unit)
    is_same_class = entry is not None and entry.class_name == correction.class_name
    made = Edit(index, entry, None if is_same_class else correction.class_name, numbers, order)
    refuse_outline(made, found.path)
    return made


def _of_pet(correction: Correction, entry: MarkedObject | None) -> Correction:
    """The correction with the class that the xml has, as that of a pet is in the name of its file."""
    known = correction.annotated_class or pets.class_of(correction.image)
    if correction.class_name != known:
        raise DataError(
            f"{correction.said}: in the Pet layout the class is in the name of the file, so it cannot become "
            f"{correction.class_name!r} here. Rename the picture and its xml, or discard the box."
        )
    return replace(correction, class_name=entry.class_name if entry else correction.class_name)


def _order(place: Place) -> str:
    """The order in which a dataset's new boxes are written."""
    dataset = place.source.dataset
    if dataset.format == "csv":
        return place.entry.rows[0].columns.order
    return {"voc": "xyxy", "coco": "xywh", "yolo": "cxcywh"}[dataset.format]


def _find(correction: Correction, found: ReadImage, is_pets: bool) -> int:
    assert correction.annotated_box is not None
    wanted, objects = correction.annotated_box, found.annotation.objects
    close = found.close(wanted)
    same = [index for index in close if objects[index].class_name == correction.annotated_class]
    if not same and is_pets:
        same = close  # the xml's class is not that of the records
    if not same:
        others = ", ".join(dict.fromkeys(repr(objects[index].class_name) for index in close))
        raise DataError(
            f"{correction.said}: there is no such box in {found.path} (any "
            f"more{f'; the class of the one there is {on_one_line(others)}' if close else ''}). Make the records and "
            "evaluate again."
        )
    return min(same, key=lambda index: _distance(wanted, _clipped(found.boxes[index])))


def _distance(first: Yxyx, second: Yxyx) -> float:
    return sum(abs(one - other) for one, other in zip(first, second, strict=True))


def _refuse_second(correction: Correction, box: Yxyx, found: ReadImage, is_pets: bool) -> None:
    """An object that is annotated already, as by an earlier table, would count twice."""
    names = [found.annotation.objects[index].class_name for index in found.close(box)]
    if (names and is_pets) or correction.class_name in names:
        raise DataError(
            f"{correction.said}: such a box is in {found.path} already. Make the records and evaluate again."
        )


def _clipped(box: Yxyx) -> Yxyx:
    """As in records: in order and inside the image."""
    top, left, bottom, right = (min(max(side, 0.0), 1.0) for side in box)
    return min(top, bottom), min(left, right), max(top, bottom), max(left, right)


def _is_close(first: Yxyx, second: Yxyx, frame: Frame) -> bool:
    height, width = _SAME / frame.height, _SAME / frame.width
    limits = (height, width, height, width)
    return all(abs(one - other) <= limit for one, other, limit in zip(first, second, limits, strict=True))


def _numbers(box: Yxyx, order: str, unit: Size) -> Yxyx:
    """The four numbers of a normalized box in the order and unit of the file."""
    width, height = unit
    top, left, bottom, right = box[0] * height, box[1] * width, box[2] * height, box[3] * width
    return MarkedObject("", (top, left, bottom, right), written=order).numbers


def _expected(found: ReadImage, edits: Sequence[Edit]) -> list[tuple[str, Yxyx]]:
    """Class and normalized box of each object, as they must be read after the edits."""
    expected: list[tuple[str, Yxyx] | None] = [*found.named_boxes]
    for edit in edits:
        box = None if edit.numbers is None else normalize(ORDERS[edit.order](*edit.numbers), found.unit)
        if edit.index is None:
            assert box is not None
            expected.append((edit.class_name or "", box))
        elif edit.is_discarded:
            expected[edit.index] = None
        else:
            old_name, old_box = found.named_boxes[edit.index]
            expected[edit.index] = (edit.class_name or old_name, box or old_box)
    return [each for each in expected if each is not None]
