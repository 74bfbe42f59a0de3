"""Finds the annotations that corrections are about, and writes them into their files."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odtk.annotations import coco_edits, csv_edits, pets, to_record, voc_edits, yolo_edits
from odtk.annotations.box_normalization import normalize
from odtk.annotations.coco_edits import ImageEdits
from odtk.annotations.dataset import ORDERS, OUTLINE, ImageAnnotation, MarkedObject
from odtk.annotations.edits import Edit, refuse_outline
from odtk.annotations.frames import Frame, frame_of
from odtk.annotations.image_facts import UNIT
from odtk.annotations.listed_dataset import SkippedImage
from odtk.atomic import write_bytes
from odtk.datasets.corrections import DISCARD, KEEP, Correction, Yxyx
from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.datasets.sources import DatasetSource, PetSource
from odtk.errors import DataError, OdtkError

ORIGINAL = ".orig"
_SAME = 1.5  # pixels by which a box in a table may differ from the annotation, as both were rounded


@dataclass(frozen=True)
class WrittenCorrections:
    """What was changed."""

    changed: int
    added: int
    discarded: int
    kept: int
    files: list[str]
    """That were written; the first original of each is beside it, as NAME.orig."""


@dataclass(frozen=True)
class _Place:
    """An image of the dataset."""

    source: DatasetSource
    index: int
    is_pets: bool = False
    """Whether the class is in the file name, as in the Pet layout, and not in the xml."""

    @property
    def entry(self) -> Any:
        return self.source.listed[self.index].entry

    def read(self) -> ImageAnnotation:
        return self.source.dataset.read(self.source.listed[self.index])


def apply_corrections(
    folder: str | os.PathLike,
    corrections: Sequence[Correction],
    *,
    format: str | None = None,
    boxes: str | None = None,
    exif: str = "auto",
) -> WrittenCorrections:
    """Changes the annotation files of a dataset; `format`, `boxes` and `exif` as for make-tfrecords.

    All or nothing: every file is read again after it was written, and if one does not say what it should, all are put
    back. Raises DataError for annotations that are not there (any more), and UnusableImage for what cannot be written.
    """
    places = _places(folder, format, boxes, exif)
    by_image: dict[str, list[Correction]] = defaultdict(list)
    for each in corrections:
        if each.decision != KEEP:
            by_image[each.image].append(each)
    plans = [_plan(places, image, found) for image, found in by_image.items()]
    written: dict[Path, bytes] = {}
    try:
        for path, found in _by_file(plans).items():
            _write(path, found, written)
        _check(plans, _places(folder, format, boxes, exif))
    except BaseException:
        for path, before in written.items():
            write_bytes(path, before)
        raise
    kinds = [edit for plan in plans for edit in plan.edits]
    return WrittenCorrections(
        changed=sum(edit.index is not None and not edit.is_discarded for edit in kinds),
        added=sum(edit.index is None for edit in kinds),
        discarded=sum(edit.is_discarded for edit in kinds),
        kept=sum(each.decision == KEEP for each in corrections),
        files=sorted(map(os.fspath, written)),
    )


def _places(folder: str | os.PathLike, format: str | None, boxes: str | None, exif: str) -> dict[str, _Place]:
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
                places[_source_id(listed.entry)] = _Place(ruled, index, is_pets)
    return places


def _source_id(entry: Any) -> str:
    return entry.names[1] if hasattr(entry, "names") else entry.source_id


@dataclass(frozen=True)
class _Plan:
    """The edits of one image, and what it must say afterwards: classes and normalized boxes in the file's frame."""

    image: str
    place: _Place
    annotation: ImageAnnotation
    edits: list[Edit]
    expected: list[tuple[str, Yxyx]]
    slack: Yxyx
    """By how much the sides may differ, as numbers are rounded."""


def _plan(places: Mapping[str, _Place], image: str, corrections: Sequence[Correction]) -> _Plan:
    place = places.get(image)
    if place is None:
        raise DataError(f"There is no image {image!r} in the dataset. Make the records and evaluate again.")
    annotation = place.read()
    frame = frame_of(annotation, to_record.see(annotation), place.source.rules)
    unit = UNIT if frame.normalized else frame.box_size
    objects = [_normalized(entry, place, unit) for entry in annotation.objects]
    edits = [_edit(each, annotation, objects, place, frame, unit) for each in corrections]
    taken = [edit.index for edit in edits if edit.index is not None]
    if len(set(taken)) < len(taken):
        raise DataError(f"{image}: two corrections are about the same box. Leave one out.")
    return _Plan(image, place, annotation, edits, _expected(annotation.objects, objects, edits, unit), _slack(unit))


def _normalized(entry: MarkedObject, place: _Place, unit: tuple[int, int]) -> Yxyx:
    return normalize(entry.corners(place.source.rules.boxes), unit)


def _slack(unit: tuple[int, int]) -> Yxyx:
    """Half of the last digit that is written, which is at most a whole pixel."""
    width, height = (0.76e-6, 0.76e-6) if unit == UNIT else (0.51 / unit[0], 0.51 / unit[1])
    return height, width, height, width


def _edit(
    correction: Correction,
    annotation: ImageAnnotation,
    objects: Sequence[Yxyx],
    place: _Place,
    frame: Frame,
    unit: tuple[int, int],
) -> Edit:
    index = None
    if correction.annotated_box is not None:
        index = _find(correction, annotation, objects, frame)
    entry = None if index is None else annotation.objects[index]
    if correction.decision == DISCARD:
        return Edit(index, entry, is_discarded=True)
    assert correction.box is not None
    box = correction.box
    if place.is_pets:
        correction = _of_pet(correction, entry)
    order = place.source.rules.boxes or (_order(place) if entry is None or entry.written == OUTLINE else entry.written)
    is_same_box = index is not None and correction.box == correction.annotated_box
    numbers = None if is_same_box else _numbers(box, order, unit)
    is_same_class = entry is not None and entry.class_name == correction.class_name
    made = Edit(index, entry, None if is_same_class else correction.class_name, numbers, order)
    refuse_outline(made, annotation.annotation_path or annotation.image_path)
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


def _order(place: _Place) -> str:
    """The order in which a dataset's new boxes are written."""
    dataset = place.source.dataset
    if dataset.format == "csv":
        return place.entry.rows[0].columns.order
    return {"voc": "xyxy", "coco": "xywh", "yolo": "cxcywh"}[dataset.format]


def _find(correction: Correction, annotation: ImageAnnotation, objects: Sequence[Yxyx], frame: Frame) -> int:
    assert correction.annotated_box is not None
    close = [index for index, box in enumerate(objects) if _is_close(correction.annotated_box, _clipped(box), frame)]
    same = [index for index in close if annotation.objects[index].class_name == correction.annotated_class]
    if not close:
        raise DataError(
            f"{correction.said}: there is no such box in {annotation.annotation_path or annotation.image_path} (any "
            "more). Make the records and evaluate again."
        )
    return (same or close)[0]


def _clipped(box: Yxyx) -> Yxyx:
    """As in records: in order and inside the image."""
    top, left, bottom, right = (min(max(side, 0.0), 1.0) for side in box)
    return min(top, bottom), min(left, right), max(top, bottom), max(left, right)


def _is_close(first: Yxyx, second: Yxyx, frame: Frame) -> bool:
    height, width = _SAME / frame.height, _SAME / frame.width
    limits = (height, width, height, width)
    return all(abs(one - other) <= limit for one, other, limit in zip(first, second, limits, strict=True))


def _numbers(box: Yxyx, order: str, unit: tuple[int, int]) -> Yxyx:
    """The four numbers of a normalized box in the order and unit of the file."""
    width, height = unit
    top, left, bottom, right = box[0] * height, box[1] * width, box[2] * height, box[3] * width
    return MarkedObject("", (top, left, bottom, right), written=order).numbers


def _expected(objects: Sequence[MarkedObject], boxes: Sequence[Yxyx], edits: Sequence[Edit], unit: tuple[int, int]):
    """Class and normalized box of each object, as they must be read after the edits."""
    found: list[tuple[str, Yxyx] | None] = [(entry.class_name, box) for entry, box in zip(objects, boxes, strict=True)]
    for edit in edits:
        box = None if edit.numbers is None else normalize(ORDERS[edit.order](*edit.numbers), unit)
        if edit.index is None:
            assert box is not None
            found.append((edit.class_name or "", box))
        elif edit.is_discarded:
            found[edit.index] = None
        else:
            entry = objects[edit.index]
            found[edit.index] = (edit.class_name or entry.class_name, box or boxes[edit.index])
    return [each for each in found if each is not None]


def _by_file(plans: Iterable[_Plan]) -> dict[Path, list[_Plan]]:
    """The plans of each annotation file: a table or a JSON has those of many images."""
    found: dict[Path, list[_Plan]] = defaultdict(list)
    for plan in plans:
        if plan.annotation.annotation_path is None:
            raise DataError(
                f"{plan.image} has no annotation file yet, so no object can be added to it. Draw it with a labeling "
                "tool."
            )
        found[Path(plan.annotation.annotation_path)].append(plan)
    return found


def _write(path: Path, plans: Sequence[_Plan], written: dict[Path, bytes]) -> None:
    """Writes a file; the first original is kept beside it."""
    before = path.read_bytes()
    after = _WRITERS[plans[0].place.source.dataset.format](before, os.fspath(path), plans)
    original = path.with_name(path.name + ORIGINAL)
    if not original.exists():
        write_bytes(original, before)
    written[path] = before
    write_bytes(path, after)


def _voc(data: bytes, path: str, plans: Sequence[_Plan]) -> bytes:
    return voc_edits.edited(data, path, plans[0].edits)  # an xml is of one image


def _yolo(data: bytes, path: str, plans: Sequence[_Plan]) -> bytes:
    dataset: Any = plans[0].place.source.dataset
    return yolo_edits.edited(data, path, plans[0].edits, dataset.names)


def _csv(data: bytes, path: str, plans: Sequence[_Plan]) -> bytes:
    images = [(plan.edits, [row.line for row in plan.place.entry.rows]) for plan in plans]
    return csv_edits.edited(data, path, images, _is_normalized(plans[0]))


def _coco(data: bytes, path: str, plans: Sequence[_Plan]) -> bytes:
    images = [
        ImageEdits(
            plan.place.entry.image,
            plan.edits,
            [(each.id, each.category_id, each.bbox) for each in plan.place.entry.annotations],
        )
        for plan in plans
    ]
    return coco_edits.edited(data, path, images, _is_normalized(plans[0]))


def _is_normalized(plan: _Plan) -> bool:
    return plan.place.source.rules.conventions.normalized


_WRITERS: dict[str, Callable[[bytes, str, Sequence[_Plan]], bytes]] = {
    "voc": _voc,
    "yolo": _yolo,
    "csv": _csv,
    "coco": _coco,
}


def _check(plans: Iterable[_Plan], places: Mapping[str, _Place]) -> None:
    """Raises OdtkError if an image is not read as it should be now."""
    for plan in plans:
        annotation = None
        with contextlib.suppress(KeyError):
            place = places[plan.image]
            annotation = place.read()
        if annotation is None or not _is_as_expected(plan, annotation, place):
            raise OdtkError(
                f"{plan.image}: {plan.annotation.annotation_path} would not be read as it was corrected, so all files "
                "are as they were. This is a bug in odtk: please report it, with the file."
            )


def _is_as_expected(plan: _Plan, annotation: ImageAnnotation, place: _Place) -> bool:
    frame = frame_of(annotation, to_record.see(annotation), place.source.rules)
    unit = UNIT if frame.normalized else frame.box_size
    found = [(entry.class_name, _normalized(entry, place, unit)) for entry in annotation.objects]
    if len(found) != len(plan.expected):
        return False
    left = list(found)
    for name, box in plan.expected:
        same = [each for each in left if each[0] == name and _within(each[1], box, plan.slack)]
        if not same:
            return False
        left.remove(same[0])
    return True


def _within(first: Yxyx, second: Yxyx, slack: Yxyx) -> bool:
    return all(abs(one - other) <= limit + 1e-9 for one, other, limit in zip(first, second, slack, strict=True))
