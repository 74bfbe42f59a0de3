"""Filters of the templates: numbers, times and progress as people read them."""

from __future__ import annotations

import os
import shlex
import time

from odtk.progress import as_clock, as_number, report_line
from odtk.progress_file import ProgressReport

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def ago(seconds: float | None) -> str:
    """`3 min ago`, of a time in seconds since 1970; nothing for None."""
    if seconds is None:
        return ""
    passed = max(time.time() - seconds, 0)
    size, unit = next((step for step in _STEPS if passed >= step[0]), _STEPS[-1])
    return f"{passed // size:.0f} {unit} ago"


def number(value: float | None) -> str:
    """`12,345`, `0.651`; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def size(count: float) -> str:
    """`12 kB`, of bytes."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def progress_line(report: ProgressReport | None) -> str:
    """`Training 400/25000 steps, 3.1 steps/s, ETA 2:12:15`; a word before the first report."""
    return "Starting" if report is None else report_line(report)


def shell(path: str | os.PathLike) -> str:
    """A path as a word of a shell's line."""
    return shlex.quote(os.fspath(path))


def share(report: ProgressReport | None) -> float | None:
    """How much is done, from 0 to 1; None where that is not known."""
    return report.completed / report.total if report and report.total else None


FILTERS = {
    "ago": ago,
    "number": number,
    "size": size,
    "clock": as_clock,
    "speed": as_number,
    "progress_line": progress_line,
    "share": share,
    "shell": shell,
}
