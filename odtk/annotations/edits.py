"""Changes of single annotations, and what the writers of all formats share: how numbers are written.

The writers change the bytes of a file where an annotation is, and leave all others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.dataset import OUTLINE, MarkedObject

MAX_DECIMALS = 9


@dataclass(frozen=True)
class Edit:
    """A change of one object of an image, or a new one."""

    index: int | None
    """Of the object among those of its image, as they are read; None for a new one."""
    entry: MarkedObject | None = None
    """The object as it is read; None for a new one."""
    class_name: str | None = None
    """Its class from now on; None keeps it."""
    numbers: tuple[float, float, float, float] | None = None
    """Its box from now on, in the order and unit of the file; None keeps it."""
    is_discarded: bool = False
    """Whether it is removed."""


def refuse_outline(edit: Edit, path: str) -> None:
    """Raises UnusableImage for another box of an object whose box is made from an outline."""
    if edit.entry is not None and edit.numbers is not None and edit.entry.written == OUTLINE:
        text = (
            f"{edit.entry.shown} has an outline or a rotated box, from which its box is made, so another box cannot be "
            "written. Change the outline with the tool that drew it, or discard the object."
        )
        raise cannot(path, edit.entry.line, text)


def cannot(path: str, line: int | None, text: str) -> UnusableImage:
    """The error for what cannot be written."""
    return UnusableImage(path, line, "annotation cannot be changed", text)


def number_texts(numbers: Sequence[float], before: Sequence[str], least: int = 0) -> list[str]:
    """Numbers as text, with as many decimals as the longest of those `before`, and at least `least`.

    The far corner of a box of corner and size must not move by the rounding of both, so see `rounded_size`.
    """
    decimals = min(max([least, *(_decimals(text) for text in before)]), MAX_DECIMALS)
    return [f"{number:.{decimals}f}" for number in numbers]


def decimals_of(before: Sequence[str], least: int = 0) -> int:
    """The decimals that `number_texts` writes."""
    return min(max([least, *(_decimals(text) for text in before)]), MAX_DECIMALS)


def rounded_size(numbers: Sequence[float], decimals: int) -> tuple[float, float, float, float]:
    """x, y, width and height, with sizes that lead from the rounded corner to the rounded far corner."""
    x, y, width, height = numbers
    near = round(x, decimals), round(y, decimals)
    far = round(x + width, decimals), round(y + height, decimals)
    return near[0], near[1], far[0] - near[0], far[1] - near[1]


def _decimals(text: str) -> int:
    whole, point, fraction = text.strip().replace(",", ".").lower().partition(".")
    if "e" in whole or "e" in fraction:
        return MAX_DECIMALS
    return len(fraction) if point and fraction.strip("0") else 0
