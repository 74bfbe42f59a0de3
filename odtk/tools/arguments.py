"""Checks of the numbers that functions of the Python API are given; the command line has checked its own already."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

from odtk.errors import OdtkError


def require_whole(least: int, most: int | None = None, **arguments: object) -> None:
    """Raises OdtkError for the first of `arguments` that is no whole number from `least` on; None is not given."""
    for name, value in arguments.items():
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if value is not None and not (is_whole and least <= _number(value) <= (math.inf if most is None else most)):
            wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise OdtkError(f"{name} is {value!r}; it is a whole number {wanted}.", argument=name)


def require_fraction(**arguments: object) -> None:
    """Raises OdtkError for the first of `arguments` that is no number from 0 to 1; None is not given."""
    for name, value in arguments.items():
        if value is not None and not 0 <= _number(value) <= 1:
            raise OdtkError(f"{name} is {value!r}; it is a number from 0 to 1.", argument=name)


def require_positive(**arguments: object) -> None:
    """Raises OdtkError for the first of `arguments` that is no finite number above 0; None is not given."""
    for name, value in arguments.items():
        if value is not None and not 0 < _number(value) < math.inf:
            raise OdtkError(f"{name} is {value!r}; it is a finite number above 0.", argument=name)


def require_one_of(choices: Sequence[str], **arguments: object) -> None:
    """Raises OdtkError for the first of `arguments` that is none of `choices`; None is not given."""
    for name, value in arguments.items():
        if value is not None and value not in choices:
            raise OdtkError(f"{name} is {value!r}; it is one of {', '.join(choices)}.", argument=name)


def as_list(value: str | Sequence[str]) -> list[str]:
    """Several names, of which one alone may be given as it is."""
    return [value] if isinstance(value, str) else list(value)


def _number(value: object) -> float:
    """NaN, which is in no range, for what is no number."""
    return float(value) if isinstance(value, Real) else math.nan
