"""Times as people write them: 11h30m, 45m, 90s, 1:30:00."""

import math
import re
from numbers import Real

from odtk.errors import OdtkError

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_UNITS = re.compile("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?)\s*{unit}\s*)?" for unit in _SECONDS), re.IGNORECASE)
_CLOCK = re.compile(r"(?P<h>\d+):(?P<m>[0-5]\d):(?P<s>[0-5]\d)")


def seconds_of(time: str | float, argument: str) -> float:
    """The seconds of a time, which is a text or already their number; above 0.

    Raises OdtkError about the keyword argument of that name.
    """
    if isinstance(time, str):
        match = _CLOCK.fullmatch(time.strip()) or _UNITS.fullmatch(time.strip())
        parts = match.groupdict() if match else {}
        seconds = math.fsum(float(count) * _SECONDS[unit] for unit, count in parts.items() if count)
    else:
        seconds = float(time) if isinstance(time, Real) and not isinstance(time, bool) else math.nan
    if not 0 < seconds < math.inf:
        number = re.fullmatch(r"\s*([1-9]\d*)\s*", time) if isinstance(time, str) else None
        unit = f" (of what? {number[1]}s, {number[1]}m or {number[1]}h)" if number else ""
        raise OdtkError(
            f"{argument} is {time!r}{unit}; it is a time above 0, such as 11h30m, 45m, 90s or 1:30:00 (hours, minutes, "
            "seconds); in Python a plain number of seconds, too.",
            argument=argument,
        )
    return seconds


def as_text(time: str | float) -> str:
    """The time as a text that `seconds_of` reads; texts are left as they are."""
    return time if isinstance(time, str) else f"{time}s"
