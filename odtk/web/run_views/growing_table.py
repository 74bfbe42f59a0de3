"""metrics.csv and evaluations.csv of a run that goes on: each look reads only what was added since the last one."""

from __future__ import annotations

import csv
import io
import math
import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

STEP = "step"

_REMEMBERED = 64  # bytes before the place that was read up to, by which an overwritten file is noticed
_CHUNK = 1 << 22


@dataclass
class Columns:
    """The rows so far, by column; all columns have the same length, and a cell without a value is NaN."""

    steps: array = field(default_factory=lambda: array("d"))
    values: dict[str, array] = field(default_factory=dict)
    bad: dict[str, list[float]] = field(default_factory=dict)
    """Column to the steps whose value was NaN or infinite."""

    def __len__(self) -> int:
        return len(self.steps)

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of the rows that have a finite value in a column; copies."""
        import numpy as np

        if name not in self.values:
            return np.zeros(0), np.zeros(0)
        steps, values = np.array(self.steps), np.array(self.values[name])
        known = np.isfinite(values)
        return steps[known], values[known]

    def last(self, name: str) -> float | None:
        """The last finite value of a column; None if there is none."""
        found = self.values.get(name, ())
        return next((value for value in reversed(found) if math.isfinite(value)), None)

    def row(self, number: int) -> dict[str, float]:
        """The finite values of a row; a negative number counts from the end."""
        found = {name: values[number] for name, values in self.values.items() if math.isfinite(values[number])}
        return {STEP: self.steps[number], **found}


class GrowingTable:
    """One CSV file as odtk writes them: rows of rising steps, a line added at a time, the whole file now and then.

    A run that resumes behind its last row, or that has a new column, replaces the file; then it is read from the start.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        self._forget()
        self.columns = Columns()
        self.version = 0
        """Rises whenever the rows change."""

    def update(self) -> Columns:
        """Reads what is new; the same object as before where nothing was replaced."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._offset or not self._is_as_it_was(file):
                    self._start_over(identity)
                self._read(file)
        except OSError:  # not there (yet), or its drive is away
            if self._identity is not None:
                self._start_over(None)
        return self.columns

    def _forget(self) -> None:
        self._identity: tuple[int, int] | None = None
        self._offset, self._before = 0, b""
        self._header: list[str] = []
        self._is_damaged = False

    def _start_over(self, identity: tuple[int, int] | None) -> None:
        self._forget()
        self._identity = identity
        self.columns = Columns()
        self.version += 1

    def _is_as_it_was(self, file: io.BufferedReader) -> bool:
        file.seek(self._offset - len(self._before))
        return file.read(len(self._before)) == self._before

    def _read(self, file: io.BufferedReader) -> None:
        file.seek(self._offset)
        while not self._is_damaged and (data := file.read(_CHUNK)):
            whole = data[: data.rfind(b"\n") + 1]  # a last line without its end is being written
            if not whole:
                return
            self._offset += len(whole)
            self._before = (self._before + whole)[-_REMEMBERED:]
            self._add(whole.decode("utf-8-sig", "replace"))
            self.version += 1
            file.seek(self._offset)

    def _add(self, text: str) -> None:
        for cells in csv.reader(io.StringIO(text, newline="")):
            if not self._header:
                self._header = cells
                self._is_damaged = STEP not in cells
                self.columns.values = {name: array("d") for name in cells if name != STEP}
            elif not self._add_row(cells):
                # As odtk's own reader: what something else has damaged ends the rows.
                self._is_damaged = True
            if self._is_damaged:
                return

    def _add_row(self, cells: list[str]) -> bool:
        if len(cells) != len(self._header):
            return False
        try:
            row = {name: float(cell) for name, cell in zip(self._header, cells, strict=True) if cell}
        except ValueError:
            return False
        step = row.pop(STEP, None)
        columns = self.columns
        if step is None or (columns.steps and step <= columns.steps[-1]):
            return False
        columns.steps.append(step)
        for name, values in columns.values.items():
            value = row.get(name, math.nan)
            values.append(value if math.isfinite(value) else math.nan)
            if name in row and not math.isfinite(value):
                columns.bad.setdefault(name, []).append(step)
        return True
