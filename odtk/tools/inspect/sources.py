"""One image after another from an annotated data set: what its annotation says, what its pixels are, to show it."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageOps

from odtk import files, label_map
from odtk.annotations import image_files, pets, prepare
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.listing import Dataset, Listed, MarkedObject

NO_ID = -1
"""The class id of a box whose source has none."""

Yxyx = tuple[float, float, float, float]


@dataclass(frozen=True)
class Oddity:
    """Something odd about an image, said by its kind; `box` is the position of the box that it is about.

    `is_bad` is false where only a rule leaves the image out.
    """

    kind: str
    text: str
    file: str
    line: int | None = None
    box: int | None = None
    is_bad: bool = True

    @classmethod
    def of(cls, problem: Problem, is_bad: bool = True) -> Oddity:
        """A reader's problem."""
        return cls(problem.kind, problem.text, problem.file, problem.line, is_bad=is_bad)


@dataclass(frozen=True)
class Look:
    """One image: its groundtruth, and what is known of its pixels; small, and picklable."""

    name: str
    file: str  # annotation, image or record file
    offset: int | None = None  # of a record
    width: int = 0  # pixels, as the model is given them
    height: int = 0
    decoded: bool = False  # to the last pixel
    fingerprint: int = 0  # see odtk.duplicates; of decoded images
    digest: int = 0  # of the image's bytes
    orientation: int = image_files.UPRIGHT  # EXIF's, where the pixels are not turned by it
    boxes: tuple[Yxyx, ...] = ()  # normalised
    class_names: tuple[str, ...] = ()
    class_ids: tuple[int, ...] = ()  # as written, or NO_ID
    lines: tuple[int | None, ...] = ()
    marks: tuple[str, ...] = ()  # "", "difficult", "crowd", "group" or several
    oddities: tuple[Oddity, ...] = ()
    unusable: Oddity | None = None  # why there is nothing else


class Source(Protocol):
    """The images of one split, by position; picklable, so that worker processes take it along."""

    split: str

    def __len__(self) -> int:
        """How many there are."""
        ...

    def look(self, index: int, decode: bool) -> Look:
        """What there is to know of one; `decode` decodes all its pixels."""
        ...

    def picture(self, index: int) -> Image.Image:
        """Its pixels as the model is given them; raises UnusableImage."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """Images of a data set in one of `odtk.annotations.formats`."""

    split: str
    dataset: Dataset
    listed: Sequence[Listed]

    def __len__(self) -> int:
        return len(self.listed)

    def look(self, index: int, decode: bool) -> Look:
        """See Source."""
        name = self.listed[index].key
        try:
            annotation = self.dataset.read(self.listed[index])
            encoded = _read(annotation.image_path, annotation.annotation_path)
            seen = (image_files.look if decode else image_files.glance)(encoded, annotation.image_path)
            located = prepare.locate(annotation, seen)
        except UnusableImage as error:
            return Look(name, error.problem.file, unusable=Oddity.of(error.problem, error.is_bad))
        return Look(
            name=name,
            file=annotation.annotation_path or annotation.image_path,
            width=located.width,
            height=located.height,
            decoded=decode,
            fingerprint=seen.fingerprint,
            digest=digest(encoded),
            oddities=tuple(map(Oddity.of, located.problems)),
            **_columns(located.objects),
        )

    def picture(self, index: int) -> Image.Image:
        """See Source."""
        annotation = self.dataset.read(self.listed[index])
        encoded = _read(annotation.image_path, annotation.annotation_path)
        turned = prepare.locate(annotation, image_files.glance(encoded, annotation.image_path)).turned
        return open_picture(encoded, annotation.image_path, turned)


def _columns(objects: Sequence[tuple[MarkedObject, Yxyx]]) -> dict[str, tuple]:
    marked = [entry for entry, _ in objects]
    return {
        "boxes": tuple(box for _, box in objects),
        "class_names": tuple(entry.class_name for entry in marked),
        "class_ids": (NO_ID,) * len(marked),
        "lines": tuple(entry.line for entry in marked),
        "marks": tuple(mark(difficult=entry.difficult, crowd=entry.is_crowd) for entry in marked),
    }


@dataclass(frozen=True)
class PetSource:
    """Images of the Oxford-IIIT Pet layout with the boxes of the faces, as make-tfrecords reads them."""

    split: str
    folder: Path
    names: Sequence[str]
    classes: label_map.LabelMap

    def __len__(self) -> int:
        return len(self.names)

    def look(self, index: int, decode: bool) -> Look:
        """See Source; always decodes."""
        try:
            pet = pets.read(self.folder, self.names[index], self.classes)
        except UnusableImage as error:
            return Look(self.names[index], error.problem.file, unusable=Oddity.of(error.problem, error.is_bad))
        entries, count = pet.image.objects, len(pet.image.objects)
        return Look(
            name=self.names[index],
            file=os.fspath(self.folder / "annotations" / "xmls" / f"{self.names[index]}.xml"),
            width=pet.image.width,
            height=pet.image.height,
            decoded=True,
            fingerprint=pet.fingerprint,
            digest=digest(pet.image.encoded),
            boxes=tuple(entry.box for entry in entries),
            class_names=tuple(entry.class_name for entry in entries),
            class_ids=(NO_ID,) * count,
            lines=(None,) * count,
            marks=tuple(mark(difficult=entry.difficult) for entry in entries),
            oddities=tuple(map(Oddity.of, pet.problems)),
        )

    def picture(self, index: int) -> Image.Image:
        """See Source."""
        pet = pets.read(self.folder, self.names[index], self.classes)
        return open_picture(pet.image.encoded, pet.image_path)


def mark(**flags: bool) -> str:
    """The names of the flags that are set."""
    return ", ".join(name for name, value in flags.items() if value)


def digest(encoded: bytes) -> int:
    """63 bits of the bytes' SHA-256, by which equal files are known."""
    return int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big") >> 1


def open_picture(encoded: bytes, path: object, upright: bool = False) -> Image.Image:
    """The pixels as RGB, turned as EXIF says where `upright`; raises UnusableImage."""
    seen = image_files.look(encoded, path)
    if seen.record_format is None:
        encoded = image_files.to_jpeg(encoded, path, upright)
    picture = Image.open(io.BytesIO(encoded), formats=image_files.FORMATS)
    return (ImageOps.exif_transpose(picture) if upright else picture).convert("RGB")


def _read(path: str, annotation_path: str | None) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as error:
        text = f"its image {path} cannot be opened: {error.strerror}."
        raise UnusableImage(annotation_path or path, None, "no image", text) from error
