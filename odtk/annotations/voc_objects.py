"""One `<object>` of a Pascal VOC annotation: its flags and its box, in any shape that tools write."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.rotated_boxes import rotated_hull
from odtk.annotations.value_parsing import finite, flag, short

# Other shapes than <bndbox>: <polygon> is labelme.csail's, Roboflow's and RectLabel's, <points> is FAIR1M's,
# <segmentation> and <segm> are written by converters.
_OUTLINES = ("polygon", "points", "segmentation", "segm", "quadrilateral")
_SIDES = ("ymin", "xmin", "ymax", "xmax")
_KINDS = {int: "whole number", float: "number"}

Yxyx = tuple[float, float, float, float]


@dataclass(frozen=True)
class VocObject:
    """One `<object>`: its box in pixels as `[ymin, xmin, ymax, xmax]`, as written, and the line of its shape.

    `hull` says that the box is the bounding box of another shape, `odd_flags` which flags were not understood.
    """

    name: str
    box: Yxyx  # pixels
    line: int
    pose: str
    truncated: int
    difficult: bool
    hull: Problem | None = None
    odd_flags: tuple[Problem, ...] = ()


def read_objects(path: Path, root) -> tuple[VocObject, ...]:
    """The objects below an `<annotation>`; raises UnusableImage, with the line, if one has no readable box.

    Objects that LabelMe's web tool keeps as deleted are ignored.
    """
    found = (element for element in root.findall("object") if element.findtext("deleted", "").strip() != "1")
    return tuple(_object(path, element) for element in found)


def child(path: Path, element, tag: str):
    """A required child, else UnusableImage."""
    found = element.find(tag)
    if found is None:
        raise unreadable(path, element.sourceline, f"<{element.tag}> has no <{tag}>, which every annotation needs.")
    return found


def text_of(path: Path, element) -> str:
    """An element's required text, else UnusableImage."""
    text = (element.text or "").strip()
    if not text:
        raise unreadable(path, element.sourceline, f"<{element.tag}> is empty.")
    return text


def number(path: Path, element, kind: type):
    """An element's text as an int or a float, else UnusableImage."""
    text = text_of(path, element)
    try:
        return kind(text)
    except ValueError:
        raise unreadable(path, element.sourceline, f"<{element.tag}> is {short(text)}, not a {_KINDS[kind]}.") from None


def unreadable(path: Path, line: int | None, text: str) -> UnusableImage:
    """The error for an xml that cannot be read."""
    return UnusableImage(path, line, "xml cannot be read", text)


def _object(path: Path, element) -> VocObject:
    box, line, hull = _box(path, element)
    truncated, difficult = (_flag(path, element, tag) for tag in ("truncated", "difficult"))
    return VocObject(
        name=element.findtext("name", "").strip(),
        box=box,
        line=line,
        pose=element.findtext("pose", "").strip() or "Unspecified",
        truncated=truncated[0],
        difficult=bool(difficult[0]),
        hull=hull,
        odd_flags=(*truncated[1], *difficult[1]),
    )


def _flag(path: Path, element, tag: str) -> tuple[int, tuple[Problem, ...]]:
    """A flag, 0 if it is missing or not understood, and the issue with it, which is the same for all of a kind."""
    found = element.find(tag)
    text = "" if found is None else (found.text or "").strip()
    if not text:
        return 0, ()
    value = flag(text)
    if value is None:
        said = f"<{tag}> is {short(text)}, neither 0 nor 1: read as 0."
        return 0, (Problem(str(path), found.sourceline, "flag not understood", said),)
    if value % 1:
        said = f"<{tag}> is a fraction, as in KITTI, but 0 or 1 is expected: read as 1."
        return 1, (Problem(str(path), found.sourceline, "flag that is a fraction", said),)
    return int(value), ()


def _box(path: Path, element) -> tuple[Yxyx, int, Problem | None]:
    """The box, the line of the element that it was made from, and an issue if that is not a box but another shape."""
    box, rotated = element.find("bndbox"), element.find("robndbox")
    outline = next((found for tag in _OUTLINES if (found := element.find(tag)) is not None), None)
    if box is not None and (box.find("xmin") is not None or (rotated is None and outline is None)):
        return _of_bndbox(path, element, box)
    if rotated is not None:
        corners = rotated.find("cx") is None
        hull = _hull_of_points(path, rotated) if corners else _hull_of_rotated(path, rotated)
        text = "the object has a rotated box (<robndbox>): the upright box around it is used."
        return hull, rotated.sourceline, Problem(str(path), rotated.sourceline, "rotated box made upright", text)
    if outline is None:
        text = "the <object> has neither a <bndbox> nor a rotated box or polygon. Draw its box, or remove it."
        raise unreadable(path, element.sourceline, text)
    text = f"the object has an outline (<{outline.tag}>) but no <bndbox>: the box around the outline is used."
    problem = Problem(str(path), outline.sourceline, "outline made a box", text)
    return _hull_of_points(path, outline), outline.sourceline, problem


def _of_bndbox(path: Path, element, box) -> tuple[Yxyx, int, Problem | None]:
    """A <bndbox>, or the box around it if CVAT rotated it: by degrees, in an attribute of the object."""
    corners = tuple(number(path, child(path, box, side), float) for side in _SIDES)
    for attribute in element.iterfind("attributes/attribute"):
        degrees = finite(attribute.findtext("value", "").strip())
        if attribute.findtext("name", "").strip() == "rotation" and degrees is not None and degrees % 360:
            text = "the object's box is rotated (attribute rotation): the upright box around it is used."
            problem = Problem(str(path), attribute.sourceline, "rotated box made upright", text)
            return rotated_hull(corners, math.radians(degrees)), box.sourceline, problem
    return corners, box.sourceline, None


def _hull_of_rotated(path: Path, element) -> Yxyx:
    """The upright box around roLabelImg's rotated one: center, sides, and the angle in radians."""
    x, y, width, height, angle = (
        number(path, child(path, element, tag), float) for tag in ("cx", "cy", "w", "h", "angle")
    )
    if not abs(angle) <= 2 * math.pi:
        text = f"<angle> is {angle:g}; radians are expected, as roLabelImg writes them. Divide degrees by 57.2958."
        raise unreadable(path, element.sourceline, text)
    return rotated_hull((y - height / 2, x - width / 2, y + height / 2, x + width / 2), angle)


def _hull_of_points(path: Path, element) -> Yxyx:
    """The box around points in any notation: <x1>1</x1><y1>2</y1>, <pt><x>1</x><y>2</y></pt>, 1,2 3,4."""
    xs, ys = [], []
    for leaf in element.iter():
        if len(leaf) or not (leaf.text or "").strip():
            continue
        for axis, value in _coordinates(leaf):
            if value is None:
                raise unreadable(path, leaf.sourceline, f"<{leaf.tag}> is {short(leaf.text.strip())}, not coordinates.")
            (xs if axis == "x" else ys).append(value)
    if len(xs) != len(ys) or len(xs) < 3:
        text = f"<{element.tag}> has {len(xs)} x and {len(ys)} y; three or more points with x and y are expected."
        raise unreadable(path, element.sourceline, text)
    return min(ys), min(xs), max(ys), max(xs)


def _coordinates(leaf) -> Iterator[tuple[str, float | None]]:
    """The axis and value of each number in an element: the axis of its tag, or x and y alternately."""
    axis, words = leaf.tag[:1].lower(), re.split(r"[\s,;]+", leaf.text.strip(" \t\r\n,;()[]"))
    if axis in ("x", "y"):
        yield axis, finite(leaf.text.strip())
    elif (
        len(words) > 1 and finite(words[0]) is not None
    ):  # other elements, such as <username>, do not begin with a number
        for place, word in enumerate(words):
            yield "xy"[place % 2], finite(word)
