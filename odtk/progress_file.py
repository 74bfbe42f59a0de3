"""What a job tells its queue of its progress: one JSON document in the file that the environment names.

The worker of a queue sets the variable for each job; without it nothing is written. The file is replaced, at most once
a second, so that a reader finds the old or the new document.
"""

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "ODTK_PROGRESS_FILE"

SECONDS_BETWEEN_WRITES = 1.0


@dataclass
class ProgressReport:
    """A count towards `total` at one moment; None where something is not known."""

    title: str
    completed: int
    total: int | None
    unit: str
    rate: float | None = None
    """Units per second."""
    eta: float | None = None
    """Seconds."""
    note: str = ""
    time: float = dataclasses.field(default_factory=time.time)
    """When it was made, in seconds since 1970."""


class ProgressFile:
    """Writes reports to a file, if there is one; an error of writing is ignored, as no job shall end by it."""

    def __init__(self, path: str | os.PathLike | None):
        self._path = None if path is None else Path(path)
        self._last = float("-inf")

    @classmethod
    def of_environment(cls) -> "ProgressFile":
        """The file that the environment names; without one, nothing is written."""
        return cls(os.environ.get(VARIABLE) or None)

    def offer(self, make: Callable[[], ProgressReport], is_last: bool = False) -> None:
        """Writes what `make` returns, unless the last report was written less than a second ago."""
        now = time.monotonic()
        if self._path is None or (not is_last and now - self._last < SECONDS_BETWEEN_WRITES):
            return
        self._last = now
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")  # found by whoever clears the job
        try:
            # NumPy's numbers, which a count or a rate may be, are written as Python's.
            part.write_text(json.dumps(dataclasses.asdict(make()), default=float), encoding="utf-8")
            os.replace(part, self._path)
        except OSError:  # a full disk, or a queue that was removed
            with contextlib.suppress(OSError):
                part.unlink()


def read(path: str | os.PathLike) -> ProgressReport | None:
    """The report in a file; None if there is none (yet)."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        return ProgressReport(**document)
    except (OSError, ValueError, TypeError):
        return None
