"""Sources yield the images of one split, one at a time; those here read annotations, `record_source` reads records."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from odtk import label_map
from odtk.annotations import image_files, pets, to_record
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.dataset import Dataset, ImageAnnotation, Listed, MarkedObject
from odtk.annotations.frames import Rules
from odtk.annotations.image_facts import Facts, facts_of
from odtk.annotations.image_files import ImageInfo

NO_ID = -1
"""The class id of a box whose source has none."""

Yxyx = tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxProblem(Problem):
    """A problem of one box of an image: `box` is its index."""

    box: int = 0


@dataclass(frozen=True)
class ImageSummary:
    """One image: its groundtruth, and the properties of its pixels; small and picklable."""

    name: str
    file: str  # annotation, image or record file
    offset: int | None = None  # of a record
    width: int = 0  # pixels, as the model gets them
    height: int = 0
    decoded: bool = False  # to the last pixel
    fingerprint: int = 0  # see odtk.annotations.duplicates; of decoded images
    digest: int = 0  # of the image's bytes
    orientation: int = image_files.UPRIGHT  # EXIF's, if the pixels are not rotated by it
    turned: bool = False  # whether the pixels are rotated by it
    boxes: tuple[Yxyx, ...] = ()  # normalized
    class_names: tuple[str, ...] = ()
    class_ids: tuple[int, ...] = ()  # as written, or NO_ID
    lines: tuple[int | None, ...] = ()
    marks: tuple[str, ...] = ()  # "", "difficult", "crowd", "group" or several
    areas: tuple[float | None, ...] = ()  # of a dataset's objects, in pixels, where it says so
    problems: tuple[Problem, ...] = ()
    unusable: Problem | None = None  # why nothing else is set
    is_bad: bool = False  # of an unusable one: because its data is bad, not by a rule of the format
    seen: ImageInfo | None = None  # of a dataset's image
    facts: Facts | None = None  # of a dataset's image: its evidence for the others


@dataclass(frozen=True)
class Pixels:
    """Where the encoded image is: a file, or a record of `size` bytes at `offset` in one.

    `bits`: those of a pixel that a dataset uses, if it uses only part of them; else 0.
    """

    file: str
    offset: int | None = None
    size: int = 0
    bits: int = 0


class Source(Protocol):
    """The images of one split, by index; picklable, for worker processes."""

    @property
    def split(self) -> str:
        """The name of the split."""
        ...

    def __len__(self) -> int:
        """The number of images."""
        ...

    def summarize(self, index: int, decode: bool) -> ImageSummary:
        """The summary of one image; `decode` decodes all its pixels."""
        ...

    def picture(self, index: int) -> Image.Image:
        """The pixels of one image as the model gets them; raises UnusableImage."""
        ...

    def found_at(self, index: int) -> tuple[str, Pixels]:
        """The name of a usable image and where its pixels are; no pixels are read."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """Images of a dataset in one of `odtk.annotations.formats`."""

    split: str
    dataset: Dataset
    listed: Sequence[Listed]
    rules: Rules = field(default_factory=Rules)

    def __len__(self) -> int:
        return len(self.listed)

    def summarize(self, index: int, decode: bool, earlier: tuple[ImageInfo, int] | None = None) -> ImageSummary:
        """See Source; given the ImageInfo and digest of an `earlier` call, only the annotation is read again."""
        name, facts, (seen, file_digest) = self.listed[index].key, None, earlier or (None, 0)
        try:
            annotation = self.dataset.read(self.listed[index])
            if seen is None:
                encoded = to_record.read_image(annotation)
                file_digest = digest(encoded)
                seen = (image_files.decode_info if decode else image_files.header_info)(encoded, annotation.image_path)
            facts = facts_of(annotation, seen, self.rules.exif, self.rules.boxes)
            located = to_record.locate(annotation, seen, self.rules)
        except UnusableImage as error:
            return _unusable(name, error, digest=file_digest, seen=seen, facts=facts)
        return ImageSummary(
            name=name,
            file=annotation.annotation_path or annotation.image_path,
            width=located.width,
            height=located.height,
            decoded=decode,
            fingerprint=seen.fingerprint,
            digest=file_digest,
            turned=located.turned,
            problems=(*located.problems, *located.exchanged),
            seen=seen,
            facts=facts,
            areas=located.areas,
            **_columns(located.objects),
        )

    def facts(self, index: int) -> Facts | None:
        """The evidence of an image for the others, from its header and annotation; None if it cannot be read."""
        try:
            annotation, encoded = self._read(index)
            seen = image_files.header_info(encoded, annotation.image_path)
        except UnusableImage:
            return None
        return facts_of(annotation, seen, self.rules.exif, self.rules.boxes)

    def picture(self, index: int) -> Image.Image:
        """See Source."""
        annotation, encoded = self._read(index)
        path, bits = annotation.image_path, self.rules.conventions.bits
        turned = to_record.locate(annotation, image_files.header_info(encoded, path), self.rules).turned
        return image_files.to_picture(encoded, path, turned, bits).convert("RGB")

    def found_at(self, index: int) -> tuple[str, Pixels]:
        """See Source."""
        path = self.dataset.read(self.listed[index]).image_path
        return self.listed[index].key, Pixels(path, bits=self.rules.conventions.bits)

    def _read(self, index: int) -> tuple[ImageAnnotation, bytes]:
        annotation = self.dataset.read(self.listed[index])
        return annotation, to_record.read_image(annotation)


def _unusable(name: str, error: UnusableImage, **known) -> ImageSummary:
    return ImageSummary(name, error.problem.file, unusable=error.problem, is_bad=error.is_bad, **known)


def _columns(objects: Sequence[tuple[MarkedObject, Yxyx]]) -> dict[str, Any]:
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

    def summarize(self, index: int, decode: bool) -> ImageSummary:
        """See Source; always decodes."""
        try:
            pet = pets.read(self.folder, self.names[index], self.classes)
        except UnusableImage as error:
            return _unusable(self.names[index], error)
        entries, count = pet.image.objects, len(pet.image.objects)
        return ImageSummary(
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
            problems=(*pet.problems, *pet.exchanged),
        )

    def picture(self, index: int) -> Image.Image:
        """See Source."""
        pet = pets.read(self.folder, self.names[index], self.classes)
        return open_picture(pet.image.encoded, pet.image_path)

    def found_at(self, index: int) -> tuple[str, Pixels]:
        """See Source."""
        return self.names[index], Pixels(os.fspath(self.folder / "images" / f"{self.names[index]}.jpg"))


def mark(**flags: bool) -> str:
    """The names of the flags that are set."""
    return ", ".join(name for name, value in flags.items() if value)


def digest(encoded: bytes) -> int:
    """63 bits of the bytes' SHA-256, to find identical files."""
    return int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big") >> 1


def open_picture(encoded: bytes, path: object) -> Image.Image:
    """The pixels as RGB; raises UnusableImage."""
    return image_files.to_picture(encoded, path).convert("RGB")
