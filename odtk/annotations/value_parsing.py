"""Parses values of files, which may be anything, as numbers, and shortens them for messages."""

import math
import reprlib
from collections.abc import Iterable
from typing import TypeGuard

_LARGEST_SIDE = 10**6  # pixels; no image is larger
_SHOWN = 100  # characters

_FLAGS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_LARGEST_FLAG = 2**31

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _SHOWN


def finite(value: object) -> float | None:
    """A number, written as one or as text, as a float; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def flag(value: object) -> float | None:
    """A flag in any notation: `1`, `1.0`, `True`, `yes`; None if it is neither a flag nor a number from 0 on."""
    text = str(value).strip().lower()
    if text in _FLAGS:
        return _FLAGS[text]
    number = finite(text)
    return number if number is not None and 0 <= number < _LARGEST_FLAG else None


def all_finite(values: Iterable[object]) -> bool:
    """Whether all are finite numbers."""
    return all(finite(value) is not None for value in values)


def is_name(value: object) -> TypeGuard[str]:
    """Whether a value is a text that can be a name: not blank, and without lone surrogates, which JSON may have."""
    return (
        isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= letter <= "\udfff" for letter in value)
    )


def size(width: object, height: object) -> tuple[int, int] | None:
    """A stated (width, height) in whole pixels; None if it is not a possible size of an image."""
    wide, high = finite(width), finite(height)
    if wide is None or high is None:
        return None
    if any(not 1 <= side <= _LARGEST_SIDE or side != int(side) for side in (wide, high)):
        return None
    return int(wide), int(high)


def short(value: object) -> str:
    """Any value, in Python's notation, cut to a length that fits a message."""
    if isinstance(value, int) and abs(value) > 10**_SHOWN:
        return "a huge number"
    return cut(_REPR.repr(value))


def cut(text: str) -> str:
    """The beginning of a text of any length."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
