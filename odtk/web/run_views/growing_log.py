"""A job's log that grows: its end, and the warnings and the last error of all of it."""

from __future__ import annotations

import os
from pathlib import Path

MOST_WARNINGS = 20
_END = 12_000  # bytes
_CHUNK = 1 << 20


class GrowingLog:
    """One log; each look reads only what was added since the last one."""

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        self._forget()

    def _forget(self) -> None:
        self._offset = 0
        self._rest = b""
        self._end = b""
        self.warnings: dict[str, int] = {}
        """Each warning once, in their order, and how often it was said; the last MOST_WARNINGS of them."""
        self.error: str | None = None
        """The last error."""

    @property
    def end(self) -> str:
        """The last lines."""
        return self._end.decode("utf-8", errors="replace")

    def update(self) -> None:
        """Reads what is new."""
        try:
            with open(self._path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:  # a log of the same number in a new queue
                    self._forget()
                file.seek(self._offset)
                while data := file.read(_CHUNK):
                    self._add(data)
        except OSError:
            return

    def _add(self, data: bytes) -> None:
        self._offset += len(data)
        self._end = _whole_lines(self._end + data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", errors="replace").strip()
            if text.startswith("warning: "):
                self._note(text.removeprefix("warning: "))
            elif text.startswith("error: "):
                self.error = text.removeprefix("error: ")

    def _note(self, warning: str) -> None:
        self.warnings[warning] = self.warnings.pop(warning, 0) + 1
        if len(self.warnings) > MOST_WARNINGS:
            del self.warnings[next(iter(self.warnings))]


def _whole_lines(data: bytes) -> bytes:
    """The end of a log, from the beginning of a line."""
    if len(data) <= _END:
        return data
    end = data[-_END:]
    return end[end.find(b"\n") + 1 :]
