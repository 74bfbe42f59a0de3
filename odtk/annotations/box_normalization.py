"""Converts the boxes of an annotation to normalized yxyx boxes inside the image."""

from __future__ import annotations

from dataclasses import dataclass, field

from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.dataset import ImageAnnotation, MarkedObject
from odtk.annotations.frames import Frame, Rules, file_of, named_in, sides
from odtk.annotations.image_facts import UNIT

# Rounding to six decimals, as in YOLO's files, can move a box this far beyond the edge; it is clipped silently.
_ROUNDING = 2e-6

# How far a box with swapped corners may extend beyond the edge, as a fraction of the side.
_SLIP = 0.02

INVERTED, EMPTY, OUTSIDE = "inverted box", "empty box", "box outside the image"

Yxyx = tuple[float, float, float, float]


@dataclass
class Placed:
    """The objects that are kept, the issues with them, and how many the rules leave out."""

    objects: list[tuple[MarkedObject, Yxyx]] = field(default_factory=list)
    exchanged: list[Problem] = field(default_factory=list)  # boxes whose corners were swapped back
    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0


def place(annotation: ImageAnnotation, frame: Frame, rules: Rules) -> Placed:
    """The objects that the rules keep, with boxes normalized and clipped; swapped corners are put in order.

    Raises UnusableImage for an impossible box: without it, the object would be learned as background.
    """
    _refuse_normalized(annotation, rules)
    placed = Placed()
    for entry in annotation.objects:
        if (rules.skip_difficult and entry.difficult) or (rules.skip_crowd and entry.is_crowd):
            placed.left_out += 1
            continue
        written = entry.corners(rules.boxes)
        box = normalize(written, UNIT if frame.normalized else frame.box_size)
        clipped = tuple(min(max(side, 0.0), 1.0) for side in box)
        if clipped != box or is_empty(box):
            said = f"{entry.shown} at {corners_in_words(written)} in {_frame_in_words(annotation, frame)}"
            clipped = _put_right(box, said, (file_of(annotation), entry.line), placed)
        placed.objects.append((entry, clipped))
    return placed


def _put_right(box: Yxyx, said: str, where: tuple[str, int | None], placed: Placed) -> Yxyx:
    """An inverted box, or one that extends outside, put in order and clipped; the issue is added to `placed`."""
    if is_inverted(box):
        box, problem = put_in_order(box, said, where)
        placed.exchanged.append(problem)
    clipped = check_box(box, said, where)
    if min(box) < -_ROUNDING or max(box) > 1 + _ROUNDING:
        placed.problems.append(Problem(*where, OUTSIDE, f"{said} extends beyond the image; it is clipped."))
    return clipped


def put_in_order(box: Yxyx, said: str, where: tuple[str, int | None]) -> tuple[Yxyx, Problem]:
    """An inverted normalized box, put in order, and the issue; UnusableImage if that does not make it a valid box."""
    box = in_order(box)
    if is_empty(box) or min(box) < -_SLIP or max(box) > 1 + _SLIP:
        raise UnusableImage(
            *where, INVERTED, f"{said} is inverted (a maximum is below its minimum). Draw the box again."
        )
    return box, Problem(*where, INVERTED, f"{said} is inverted; its corners are swapped back.")


def check_box(box: Yxyx, said: str, where: tuple[str, int | None]) -> Yxyx:
    """A normalized box with ordered corners, clipped to the image; UnusableImage if nothing is left of it."""
    if is_empty(box):
        raise UnusableImage(*where, EMPTY, f"{said} has no area. Draw the box again, or delete it.")
    ymin, xmin, ymax, xmax = (min(max(side, 0.0), 1.0) for side in box)
    clipped = ymin, xmin, ymax, xmax
    if is_empty(clipped):
        text = f"{said} is outside the image. Check that annotation and image belong together."
        raise UnusableImage(*where, OUTSIDE, text)
    return clipped


def normalize(yxyx: Yxyx, size: tuple[int, int]) -> Yxyx:
    """A box in pixels as fractions of `size` (width, height)."""
    (ymin, xmin, ymax, xmax), (width, height) = yxyx, size
    return ymin / height, xmin / width, ymax / height, xmax / width


def is_inverted(yxyx: Yxyx) -> bool:
    """Whether a maximum of the box is below its minimum."""
    ymin, xmin, ymax, xmax = yxyx
    return ymin > ymax or xmin > xmax


def is_empty(yxyx: Yxyx) -> bool:
    """Whether a box has no area; also true for inverted boxes and NaN."""
    ymin, xmin, ymax, xmax = yxyx
    return not (ymin < ymax and xmin < xmax)


def in_order(yxyx: Yxyx) -> Yxyx:
    """The box with its corners in order."""
    ymin, xmin, ymax, xmax = yxyx
    return min(ymin, ymax), min(xmin, xmax), max(ymin, ymax), max(xmin, xmax)


def corners_in_words(yxyx: Yxyx) -> str:
    """`xmin 3, ymin 4, xmax 30, ymax 40`."""
    ymin, xmin, ymax, xmax = yxyx
    return f"xmin {xmin:g}, ymin {ymin:g}, xmax {xmax:g}, ymax {ymax:g}"


def _frame_in_words(annotation: ImageAnnotation, frame: Frame) -> str:
    size = "0 to 1" if frame.normalized else sides(frame.box_size)
    name = named_in(annotation)
    return f"{size} of{name}" if name else size


def _refuse_normalized(annotation: ImageAnnotation, rules: Rules) -> None:
    """Raises UnusableImage for pixels in a dataset of normalized boxes, or the reverse."""
    numbers = [number for entry in annotation.objects for number in entry.numbers]
    if annotation.normalized or not numbers:
        return
    if rules.conventions.normalized:
        if max(numbers) > 1 + _SLIP:
            text = "its boxes are not within 0 to 1, unlike all others of the dataset. Use the same unit for all."
            raise UnusableImage(file_of(annotation), annotation.objects[0].line, "boxes are in pixels", text)
    elif any(number % 1 for number in numbers) and all(0 <= number <= 1 for number in numbers):
        text = "its boxes are normalized (0 to 1); pixels are expected. Multiply them by the image's width and height."
        raise UnusableImage(file_of(annotation), annotation.objects[0].line, "boxes are not in pixels", text)
