"""The frame that an annotation's boxes were drawn on: whether the image is turned, and what size the boxes refer to."""

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


@dataclass(frozen=True)
class Rules:
    """What a user may choose about how annotations become records, and what the whole data set proves.

    `exif` says what becomes of an image that has an EXIF orientation: "apply" turns its pixels, "ignore" leaves them,
    and "auto" leaves them where the image, or the data set, proves that they were annotated as stored. `boxes` is the
    order of the boxes' numbers (of `listing.ORDERS`), None that of the format. `max_side` shrinks larger images.
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
    """The pixels of the record: their size, how they come about, and the size that boxes refer to."""

    width: int
    height: int
    turned: bool
    box_size: Size
    normalised: bool = False  # the boxes are parts of the sides, whatever the size
    shrunk: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the image per pixel of the annotation, along x and y."""
        return self.width / self.box_size[0], self.height / self.box_size[1]


def frame_of(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules) -> Frame:
    """The frame of an image that was seen; raises UnusableImage where nothing tells what its boxes refer to."""
    proved = image_facts.orientation_proof(annotation, seen, rules.boxes)
    turned = image_facts.is_turned(seen, rules.exif, proved, rules.conventions.exif)
    size = seen.upright_size if turned else (seen.width, seen.height)
    problems = [*_exif_problems(annotation, seen, proved, turned, rules)]
    stated = None if rules.conventions.normalised else image_facts.stated_size(annotation)
    difference, box_size = image_facts.size_difference(stated, size), size
    if difference:
        box_size = _box_size(annotation, seen, rules, stated, size)
        problems.append(_size_problem(annotation, seen, stated, size, box_size))
    width, height = shrunk = _within(size, rules.max_side)
    normalised = annotation.normalised or rules.conventions.normalised
    return Frame(width, height, turned, box_size, normalised, shrunk != size, tuple(problems))


def file_of(annotation: ImageAnnotation) -> str:
    """The file that messages about an annotation name."""
    return annotation.place or annotation.annotation_path or annotation.image_path


def named_in(annotation: ImageAnnotation) -> str:
    """` img.jpg` where the annotation's file is not called as the image is, and may be of several; else nothing."""
    image, file = map(PurePath, (annotation.image_path, file_of(annotation)))
    return "" if image.stem == file.stem else f" {annotation.filename}"


def _exif_problems(
    annotation: ImageAnnotation, seen: ImageInfo, proved: str, turned: bool, rules: Rules
) -> Iterator[Problem]:
    if rules.exif != "auto" or not proved:
        return
    if not turned:
        what = "the size" if image_facts.stated_size(annotation) else "boxes"
        why = f"{file_of(annotation)} has {what} of the pixels as stored"
        if proved == OPEN:
            why = "the other images of the data set were annotated as stored"
        text = f"EXIF orientation {seen.orientation} would turn it, but {why}: left as stored, boxes and all."
        yield Problem(annotation.image_path, None, NOT_APPLIED, text)
    elif proved == OPEN and not rules.conventions.exif and annotation.objects:
        text = (
            f"turned as its EXIF orientation {seen.orientation} says, though nothing in the data set tells whether it "
            "was annotated so, or as stored (as labelImg does). Look at it with odtk view; --exif ignore leaves the "
            "pixels as stored."
        )
        yield Problem(annotation.image_path, None, AMBIGUOUS, text)


def _box_size(annotation: ImageAnnotation, seen: ImageInfo, rules: Rules, stated: Size, size: Size) -> Size:
    """The size that boxes refer to, of two that differ: as the boxes prove, else the data set, else the aspect."""
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
        text = "its boxes fit both, so that it is not known which one they refer to."
        raise _unusable(annotation, stated, size, f"{text} Correct the size, or annotate the image as it is.")
    if (own or rules.conventions.exchanged) == IMAGE:
        return size
    text = (
        "either width and height are exchanged, or the image was turned since, so that its boxes are wrong. Look at "
        "it, and correct the size or the boxes."
    )
    raise _unusable(annotation, stated, size, text)


def _unusable(annotation: ImageAnnotation, stated: Size, size: Size, text: str) -> UnusableImage:
    text = f"{_disagreement(annotation, stated, size)}; {text}"
    return UnusableImage(file_of(annotation), annotation.size_line, SIZE_DISAGREES, text)


def _size_problem(annotation: ImageAnnotation, seen: ImageInfo, stated: Size, size: Size, box_size: Size) -> Problem:
    difference = image_facts.size_difference(stated, size)
    if difference == EXCHANGED and seen.orientation >= image_files.LYING:
        text = "it lies on its side, as its EXIF orientation tells. Use --exif auto."
    elif not annotation.objects:
        text = "there is no box that it matters for."
    elif box_size != size:
        text = "its boxes are scaled with it."
    elif difference != EXCHANGED:
        text = "its boxes are taken as pixels of the image as it is."
    else:
        text = "width and height are exchanged, and its boxes are taken as pixels of the image as it is."
    text = f"{_disagreement(annotation, stated, size)}; {text}"
    return Problem(file_of(annotation), annotation.size_line, SIZE_DISAGREES, text)


def _disagreement(annotation: ImageAnnotation, stated: Size, size: Size) -> str:
    return f"the annotation says {sides(stated)}, the image{named_in(annotation)} is {sides(size)}"


def sides(size: Size) -> str:
    """`400x300`."""
    return "{:g}x{:g}".format(*size)


def _within(size: Size, max_side: int | None) -> Size:
    """A size made smaller, in its aspect, where its longer side is more than `max_side`."""
    longer = max(size)
    if max_side is None or longer <= max_side:
        return size
    width, height = (max(1, round(side * max_side / longer)) for side in size)
    return width, height
