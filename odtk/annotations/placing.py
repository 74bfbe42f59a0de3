"""Where an annotation's boxes lie in its image: the frame they were drawn on, and the boxes normalised and inside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from odtk.annotations import image_files
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.image_files import SeenFile
from odtk.annotations.listing import ImageAnnotation, MarkedObject

# What rounding to six decimals, as YOLO's files are written, can take a box beyond the edge; clipped without a word.
_ROUNDING = 2e-6

# Sides are whole pixels, so an image made smaller has not quite the same aspect.
_ASPECT_TOLERANCE = 0.01

_LYING = 5  # the first EXIF orientation that exchanges width and height
_SIZE_DISAGREES = "size disagrees with the image"


@dataclass(frozen=True)
class Rules:
    """What a user may choose about how annotations become records.

    `exif` says what becomes of an image that is stored on its side: "apply" turns its pixels, "ignore" leaves them, and
    "auto" leaves them only where the size in the annotation is that of the pixels as stored.
    """

    exif: str = "auto"
    skip_difficult: bool = False
    skip_crowd: bool = False
    masks: bool = False


@dataclass(frozen=True)
class Frame:
    """The pixels that boxes are drawn on: their size, whether they were turned, and the size that boxes refer to."""

    width: int
    height: int
    turned: bool
    box_size: tuple[int, int]  # width, height
    problems: tuple[Problem, ...] = ()

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the image per pixel of the annotation, along x and y."""
        return self.width / self.box_size[0], self.height / self.box_size[1]


@dataclass
class Placed:
    """The objects that are kept, what was odd, and how many void and unwanted ones are not kept."""

    objects: list[tuple[MarkedObject, tuple[float, float, float, float]]] = field(default_factory=list)  # boxes: yxyx
    problems: list[Problem] = field(default_factory=list)
    dropped: int = 0
    left_out: int = 0


def frame_of(annotation: ImageAnnotation, seen: SeenFile, rules: Rules) -> Frame:
    """The frame of an image that was seen: whether `rules` turn it, and what size its boxes refer to."""
    stored, stated = (seen.width, seen.height), annotation.stated_size
    if stated is not None and min(stated) < 1:
        stated = None
    turned = seen.orientation != image_files.UPRIGHT and rules.exif != "ignore"
    problems = []
    if turned and rules.exif == "auto" and _tells_stored(stated, seen):
        turned = False
        text = (
            f"EXIF orientation {seen.orientation} would turn it, but {file_of(annotation)} has the size of the pixels "
            f"as stored, {_sides(stored)}: left as stored, boxes and all."
        )
        problems.append(Problem(annotation.image_path, None, "EXIF orientation not applied", text))
    size = seen.upright_size if turned else stored
    box_size = size
    if stated is not None and stated != size and not annotation.normalised:
        box_size = stated if _same_aspect(stated, size) else size
        problems.append(_size_problem(annotation, seen, size, box_size))
    return Frame(*size, turned, box_size, tuple(problems))


def place(annotation: ImageAnnotation, frame: Frame, rules: Rules) -> Placed:
    """The objects that the rules keep and whose boxes are not void, with boxes normalised and clipped.

    Raises UnusableImage where the format has pixels and the boxes are normalised.
    """
    _refuse_normalised(annotation)
    placed = Placed()
    for entry in annotation.objects:
        if (rules.skip_difficult and entry.difficult) or (rules.skip_crowd and entry.is_crowd):
            placed.left_out += 1
            continue
        box = _normalise(entry.box, annotation, frame)
        clipped = tuple(min(max(side, 0.0), 1.0) for side in box)
        void = _is_void(box) or _is_void(clipped)
        placed.problems += _box_problems(annotation, entry, box, frame, void)
        if void:
            placed.dropped += 1
        else:
            placed.objects.append((entry, clipped))
    return placed


def _refuse_normalised(annotation: ImageAnnotation) -> None:
    sides = [side for entry in annotation.objects for side in entry.box]
    if not annotation.normalised and any(side % 1 for side in sides) and all(0 <= side <= 1 for side in sides):
        line = annotation.objects[0].line
        text = "its boxes lie in 0..1, so they are normalised; pixels are expected. Multiply them by the image's sides."
        raise UnusableImage(file_of(annotation), line, "boxes are not in pixels", text)


def file_of(annotation: ImageAnnotation) -> str:
    """The file that messages about an annotation name."""
    return annotation.place or annotation.annotation_path or annotation.image_path


def _tells_stored(stated: tuple[int, int] | None, seen: SeenFile) -> bool:
    """Whether the annotation was made on the pixels as stored, which only its stated size can tell."""
    return (
        stated is not None
        and _same_aspect(stated, (seen.width, seen.height))
        and not _same_aspect(stated, seen.upright_size)
    )


def _same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return math.isclose(one[0] * other[1], one[1] * other[0], rel_tol=_ASPECT_TOLERANCE)


def _sides(size: tuple[float, float]) -> str:
    return "{:g}x{:g}".format(*size)


def _size_problem(
    annotation: ImageAnnotation, seen: SeenFile, size: tuple[int, int], box_size: tuple[int, int]
) -> Problem:
    if box_size != size:
        text = "boxes are scaled with it."
    elif not _same_aspect(annotation.stated_size, size[::-1]):
        text = "boxes are taken as pixels of the image as it is."
    elif seen.orientation >= _LYING:
        text = "it lies on its side, as its EXIF orientation tells. Use --exif auto."
    else:
        text = (
            "either the annotation exchanges width and height, or it was made on the image lying on its side, and its "
            "boxes are wrong. Look at it with odtk view."
        )
    text = f"the annotation says {_sides(annotation.stated_size)}, the image is {_sides(size)}; {text}"
    return Problem(file_of(annotation), annotation.size_line, _SIZE_DISAGREES, text)


def _normalise(yxyx: tuple[float, ...], annotation: ImageAnnotation, frame: Frame) -> tuple[float, float, float, float]:
    if annotation.normalised:
        return tuple(yxyx)
    (ymin, xmin, ymax, xmax), (width, height) = yxyx, frame.box_size
    return ymin / height, xmin / width, ymax / height, xmax / width


def _is_void(yxyx: tuple[float, ...]) -> bool:
    ymin, xmin, ymax, xmax = yxyx
    return not (ymin < ymax and xmin < xmax)  # a NaN compares as void too


def _box_problems(
    annotation: ImageAnnotation, entry: MarkedObject, box: tuple[float, ...], frame: Frame, void: bool
) -> Iterator[Problem]:
    ymin, xmin, ymax, xmax = box
    if ymin > ymax or xmin > xmax:
        kind = "inverted box"
    elif _is_void(box):
        kind = "empty box"
    elif void or min(box) < -_ROUNDING or max(box) > 1 + _ROUNDING:
        kind = "box outside the image"
    else:
        return
    ymin, xmin, ymax, xmax = entry.box
    text = f"{kind}: {entry.shown} at xmin {xmin:g}, ymin {ymin:g}, xmax {xmax:g}, ymax {ymax:g} in "
    text += "0 to 1" if annotation.normalised else _sides(frame.box_size)
    text += "; the object is dropped." if void else "; the box is clipped."
    yield Problem(file_of(annotation), entry.line, kind, text)
