"""Writes corrections into annotation files, and reads them again before that counts."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.annotations import coco_edits, csv_edits, voc_edits, yolo_edits
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.coco_edits import ImageEdits
from odtk.atomic import write_bytes
from odtk.datasets.correction_journal import CorrectionJournal, Written, key_of, keys_in
from odtk.datasets.correction_plans import Place, Plan, places_of, plan_of
from odtk.datasets.corrections import KEEP, Correction, Yxyx
from odtk.errors import DataError, OdtkError
from odtk.folder_lock import locked_folder

ORIGINAL = ".orig"


@dataclass(frozen=True)
class WrittenCorrections:
    """What was changed."""

    changed: int
    added: int
    discarded: int
    kept: int
    files: list[str]
    """That were written; the first original of each is beside it, as NAME.orig."""
    already: int = 0
    """Corrections that an earlier writing, which was cut off, had made."""


def apply_corrections(
    folder: str | os.PathLike,
    corrections: Sequence[Correction],
    *,
    format: str | None = None,
    boxes: str | None = None,
    exif: str = "auto",
    resume: bool = False,
) -> WrittenCorrections:
    """Changes the annotation files of a dataset; `format`, `boxes` and `exif` as for make-tfrecords.

    With `resume`, corrections that an earlier writing has made are left out, as long as their files are as that left
    them.

    All or nothing: every file is read again after it was written, and if one does not say what it should, all are put
    back. Raises DataError for annotations that are not there (any more), UnusableImage for what cannot be written, and
    OutputError while another process is writing corrections there.
    """
    journal = CorrectionJournal(folder)
    with locked_folder(journal.folder):
        return _apply(journal, folder, corrections, format, boxes, exif, resume)


def _apply(
    journal: CorrectionJournal,
    folder: str | os.PathLike,
    corrections: Sequence[Correction],
    format: str | None,
    boxes: str | None,
    exif: str,
    resume: bool,
) -> WrittenCorrections:
    done = journal.in_effect() if resume else {}
    places = places_of(folder, format, boxes, exif)
    by_image, already = _sorted_out(corrections, keys_in(done))
    plans = [plan_of(places, image, found) for image, found in by_image.items()]
    others = _others(places, by_image)
    edited = [_edited(path, found) for path, found in _by_file(plans).items()]
    begun: list[_EditedFile] = []
    try:
        _note(journal, done, edited, by_image)
        for each in edited:
            begun.append(each)
            _write(each)
        now = places_of(folder, format, boxes, exif)
        _check(plans, now)
        _check_others(others, _others(now, by_image))
    except BaseException:
        for each in begun:
            write_bytes(each.path, each.before)
        journal.write(done)
        raise
    kinds = [edit for plan in plans for edit in plan.edits]
    return WrittenCorrections(
        changed=sum(edit.index is not None and not edit.is_discarded for edit in kinds),
        added=sum(edit.index is None for edit in kinds),
        discarded=sum(edit.is_discarded for edit in kinds),
        kept=sum(each.decision == KEEP for each in corrections),
        files=sorted(os.fspath(each.path) for each in edited),
        already=already,
    )


def _sorted_out(corrections: Sequence[Correction], done: Collection[str]) -> tuple[dict[str, list[Correction]], int]:
    """Those that change something, by image, and how many others were written before."""
    wanted = [each for each in corrections if each.decision != KEEP]
    left: dict[str, list[Correction]] = defaultdict(list)
    for each in wanted:
        if key_of(each) not in done:
            left[each.image].append(each)
    return left, len(wanted) - sum(map(len, left.values()))


def _by_file(plans: Iterable[Plan]) -> dict[Path, list[Plan]]:
    """The plans of each annotation file: a table or a JSON has those of many images."""
    found: dict[Path, list[Plan]] = defaultdict(list)
    for plan in plans:
        if plan.annotation.annotation_path is None:
            raise DataError(
                f"{plan.image} has no annotation file yet, so no object can be added to it. Draw it with a labeling "
                "tool."
            )
        found[Path(plan.annotation.annotation_path)].append(plan)
    return found


@dataclass(frozen=True)
class _EditedFile:
    """An annotation file, as it is and as it is to be."""

    path: Path
    before: bytes
    after: bytes
    images: list[str]
    """Those that are corrected in it."""


def _edited(path: Path, plans: Sequence[Plan]) -> _EditedFile:
    before = path.read_bytes()
    after = _WRITERS[plans[0].place.source.dataset.format](before, os.fspath(path), plans)
    return _EditedFile(path, before, after, [plan.image for plan in plans])


def _note(
    journal: CorrectionJournal, done: Written, edited: Sequence[_EditedFile], by_image: Mapping[str, list[Correction]]
) -> None:
    """Writes down what is about to be written."""
    for each in edited:
        corrections = [one for image in each.images for one in by_image[image]]
        done = journal.added(done, each.path, each.after, corrections)
    journal.write(done)


def _write(edited: _EditedFile) -> None:
    """Writes a file; the first original is kept beside it."""
    original = edited.path.with_name(edited.path.name + ORIGINAL)
    if not original.exists():
        write_bytes(original, edited.before)
    write_bytes(edited.path, edited.after)


def _voc(data: bytes, path: str, plans: Sequence[Plan]) -> bytes:
    return voc_edits.edited(data, path, plans[0].edits)  # an xml is of one image


def _yolo(data: bytes, path: str, plans: Sequence[Plan]) -> bytes:
    dataset: Any = plans[0].place.source.dataset
    return yolo_edits.edited(data, path, plans[0].edits, dataset.names)


def _csv(data: bytes, path: str, plans: Sequence[Plan]) -> bytes:
    images = [(plan.edits, [row.line for row in plan.place.entry.rows]) for plan in plans]
    return csv_edits.edited(data, path, images, _is_normalized(plans[0]))


def _coco(data: bytes, path: str, plans: Sequence[Plan]) -> bytes:
    images = [
        ImageEdits(
            plan.place.entry.image,
            plan.edits,
            [(each.id, each.category_id, each.bbox) for each in plan.place.entry.annotations],
        )
        for plan in plans
    ]
    return coco_edits.edited(data, path, images, _is_normalized(plans[0]))


def _is_normalized(plan: Plan) -> bool:
    return plan.place.source.rules.conventions.normalized


_SHARED = ("csv", "coco")  # a file has the annotations of many images
_WRITERS: dict[str, Callable[[bytes, str, Sequence[Plan]], bytes]] = {
    "voc": _voc,
    "yolo": _yolo,
    "csv": _csv,
    "coco": _coco,
}


def _check(plans: Iterable[Plan], places: Mapping[str, Place]) -> None:
    """Raises OdtkError if an image is not read as it should be now."""
    for plan in plans:
        place = places.get(plan.image)
        if place is None or not _is_as_expected(plan, place.read().named_boxes):
            raise OdtkError(
                f"{plan.image}: {plan.annotation.annotation_path} would not be read as it was corrected, so all files "
                "are as they were. This is a bug in odtk: please report it, with the file."
            )


def _others(places: Mapping[str, Place], edited: Collection[str]) -> dict[str, list[tuple]]:
    """What is read of the other images of files that have several: class and box of each object."""
    shared = {image: place for image, place in places.items() if place.source.dataset.format in _SHARED}
    found: dict[str, list[tuple]] = {}
    for image, place in shared.items():
        if image not in edited:
            with contextlib.suppress(UnusableImage):
                found[image] = [(entry.class_name, entry.box) for entry in place.annotation().objects]
    return found


def _check_others(before: Mapping[str, list[tuple]], after: Mapping[str, list[tuple]]) -> None:
    """Raises OdtkError if another image is not read as before."""
    changed = next((image for image in before.keys() | after.keys() if before.get(image) != after.get(image)), None)
    if changed is not None:
        raise OdtkError(
            f"{changed}, which is not in the table, would be read otherwise, so all files are as they were. This is a "
            "bug in odtk: please report it, with the file."
        )


def _is_as_expected(plan: Plan, found: Sequence[tuple[str, Yxyx]]) -> bool:
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
