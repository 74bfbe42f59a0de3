"""The frame of an annotation's boxes: whether the image is rotated, and the size that the boxes refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from odtk.annotations import image_facts, image_files
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.conventions import Conventions
from odtk.annotations.dataset import ImageAnnotation
from odtk.annotations.image_facts import (
    EXCHANGED,
    IMAGE,
    NEAR,
    OPEN,
    RESIZED,
    STATED,
    Size,
    same_aspect,
)  # fmt: skip
from odtk.annotations.image_files import ImageInfo

SIZE_DISAGREES = "size disagrees with the image"
NOT_APPLIED = "EXIF orientation not applied"
AMBIGUOUS = "EXIF orientation is ambiguous"
EXIF_CHOICES = ("auto", "apply", "ignore")
"""What `Rules.exif` may be."""


@dataclass(frozen=True)
class Rules:
    """The user's choices for the conversion to records, and the conventions of the whole dataset.

    `exif` is for images with an EXIF orientation: "apply" rotates the pixels, "ignore" keeps them, and "auto" rotates
    them unless the image, or the dataset, shows that they were annotated as stored. `boxes` is the order of the boxes'
    numbers (of `dataset.ORDERS`), None for the format's. `max_side` shrinks larger images.
    """

    exif: str = "auto"
    skip_difficult: bool = False
    skip_crowd: bool = False
    masks: bool = False
    boxes: str | None = None
    max_side: int | None = None
    conventions: Conventions = field(default_factory=Conventions)


@dataclass(frozen=True)
class Frame:
    """The pixels of the record: their size, how they are made, and the size that boxes refer to."""

    width: int
    height: int
    turned: bool
    box_size: Size
    normalized: bool = False  # the boxes are fractions of the sides
    shrunk: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the image per pixel of the annotation, along x and y."""
        return self.width / self.box_size[0], self.height / self.box_size[1]


def frame_of(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules) -> Frame:
    """The frame of a decoded image; raises UnusableImage if it is unknown what its boxes refer to."""
    proved = image_facts.orientation_proof(annotation, seen, rules.boxes)
    turned = image_facts.is_turned(seen, rules.exif, proved, rules.conventions.exif)
    size = seen.upright_size if turned else (seen.width, seen.height)
    problems = [*_exif_problems(annotation, seen, proved, turned, rules)]
    stated = None if rules.conventions.normalized else image_facts.stated_size(annotation)
    box_size = size
    if stated is not None and image_facts.size_difference(stated, size):
        box_size = _box_size(annotation, seen, rules, stated, size)
        problems.append(_size_problem(annotation, seen, stated, size, box_size))
    width, height = shrunk = _within(size, rules.max_side)
    normalized = annotation.normalized or rules.conventions.normalized
    return Frame(width, height, turned, box_size, normalized, shrunk != size, tuple(problems))


def file_of(annotation: ImageAnnotation) -> str:
    """The file to show in messages about an annotation."""
    return annotation.place or annotation.annotation_path or annotation.image_path


def named_in(annotation: ImageAnnotation) -> str:
    """` img.jpg` if the annotation's file has another name than the image, and may be for several; else ""."""
    image, file = map(PurePath, (annotation.image_path, file_of(annotation)))
    return "" if image.stem == file.stem else f" {annotation.filename}"


def _exif_problems(
    annotation: ImageAnnotation, seen: ImageInfo, proved: str, turned: bool, rules: Rules
) -> Iterator[Problem]:
    if rules.exif != "auto" or not proved:
        return
    if not turned:
        what = "the size" if image_facts.stated_size(annotation) else "boxes"
        why = f"{file_of(annotation)} has {what} of the stored pixels"
        if proved == OPEN:
            why = "the other images of the dataset were annotated as stored"
        text = f"EXIF orientation {seen.orientation} would rotate it, but {why}: image and boxes are kept as stored."
        yield Problem(annotation.image_path, None, NOT_APPLIED, text)
    elif proved == OPEN and not rules.conventions.exif and annotation.objects:
        text = (
            f"rotated by its EXIF orientation {seen.orientation}, but nothing in the dataset shows whether it was "
            "annotated that way or as stored (as labelImg does). Look at it with odtk view; if the boxes are wrong, "
            "ignore EXIF orientations (exif: ignore)."
        )
        yield Problem(annotation.image_path, None, AMBIGUOUS, text)


def _box_size(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules, stated: Size, size: Size) -> Size:
    """The size that boxes refer to, of two that differ: from the boxes, else the dataset, else the aspect ratio."""
    difference = image_facts.size_difference(stated, size)
    is_forced = difference == EXCHANGED and seen.upright_size != (seen.width, seen.height) and rules.exif != "auto"
    if is_forced or not annotation.objects:
        return size
    if difference == NEAR:
        return stated
    own = image_facts.frame_proof(annotation, stated, size, rules.boxes)
    if difference == RESIZED:
        alike = STATED if same_aspect(stated, size) else ""
        chosen = own or rules.conventions.resized or alike
        if chosen:
            return stated if chosen == STATED else size
        text = "its boxes fit both, so it is unknown which one they refer to."
        raise _unusable(annotation, stated, size, f"{text} Correct the size, or annotate the image as it is.")
    if (own or rules.conventions.exchanged) == IMAGE:
        return size
    text = (
        "either width and height are swapped, or the image was rotated after it was annotated and its boxes are wrong. "
        "Look at it, and correct the size or the boxes."
    )
    raise _unusable(annotation, stated, size, text)


def _unusable(annotation: ImageAnnotation, stated: Size, size: Size, text: str) -> UnusableImage:
    text = f"{_disagreement(annotation, stated, size)}; {text}"
    return UnusableImage(file_of(annotation), annotation.size_line, SIZE_DISAGREES, text)


def _size_problem(annotation: ImageAnnotation, seen: ImageInfo, stated: Size, size: Size, box_size: Size) -> Problem:
    difference = image_facts.size_difference(stated, size)
    if difference == EXCHANGED and seen.orientation >= image_files.LYING:
        text = "it is rotated by its EXIF orientation. Do not ignore EXIF orientations (exif: auto)."
    elif not annotation.objects:
        text = "it has no box for which this matters."
    elif box_size != size:
        text = "its boxes are scaled with it."
    elif difference != EXCHANGED:
        text = "its boxes are read as pixels of the actual image."
    else:
        text = "width and height are swapped, and its boxes are read as pixels of the actual image."
    text = f"{_disagreement(annotation, stated, size)}; {text}"
    return Problem(file_of(annotation), annotation.size_line, SIZE_DISAGREES, text)


def _disagreement(annotation: ImageAnnotation, stated: Size, size: Size) -> str:
    return f"the annotation says {sides(stated)}, the image{named_in(annotation)} is {sides(size)}"


def sides(size: Size) -> str:
    """`400x300`."""
    return "{:g}x{:g}".format(*size)


def _within(size: Size, max_side: int | None) -> Size:
    """A size scaled down, with the same aspect ratio, if its longer side is more than `max_side`."""
    longer = max(size)
    if max_side is None or longer <= max_side:
        return size
    width, height = (max(1, round(side * max_side / longer)) for side in size)
    return width, height
