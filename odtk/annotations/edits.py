"""Changes of single annotations, and what the writers of all formats share: how numbers are written.

The writers change the bytes of a file where an annotation is, and leave all others as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import AnyStr

from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.dataset import OUTLINE, MarkedObject

NORMALIZED_DECIMALS = 6
"""The least of a number from 0 to 1: a millionth of a side is finer than a pixel of any image."""
_MOST_DECIMALS = 9


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
    """Its box from now on, in the unit of the file; None keeps it."""
    order: str = "xyxy"
    """Of the numbers: one of `dataset.ORDERS`."""
    is_discarded: bool = False
    """Whether it is removed."""

    def _rounded(self, decimals: int) -> tuple[float, float, float, float]:
        """The numbers with so many decimals; a size leads from the rounded corner to the rounded far corner."""
        assert self.numbers is not None
        first, second, third, fourth = self.numbers
        if self.order != "xywh":
            return round(first, decimals), round(second, decimals), round(third, decimals), round(fourth, decimals)
        x, y = round(first, decimals), round(second, decimals)
        return x, y, round(first + third, decimals) - x, round(second + fourth, decimals) - y

    def texts(self, before: Sequence[str], least: int = 0) -> list[str]:
        """The numbers as they are written in place of others, with as many decimals as those have, or at `least`."""
        decimals = min(max([least, *map(_decimals, before)]), _MOST_DECIMALS)
        return [f"{number:.{decimals}f}" for number in self._rounded(decimals)]


def _decimals(text: str) -> int:
    whole, point, fraction = text.strip().replace(",", ".").lower().partition(".")
    if "e" in whole or "e" in fraction:
        return _MOST_DECIMALS
    return len(fraction) if point and fraction.strip("0") else 0


def replaced(text: AnyStr, spans: Iterable[tuple[int, int, AnyStr]]) -> AnyStr:
    """The text with something else from each start to its end; the spans do not overlap."""
    parts: list[AnyStr] = []
    place = 0
    for start, end, instead in sorted(spans):
        parts += [text[place:start], instead]
        place = end
    parts.append(text[place:])
    return text[:0].join(parts)


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
