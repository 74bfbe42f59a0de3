"""A CSV file of numbers, a row for each of rising steps: it grows by whole lines and can be read at any moment."""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from odtk import files

STEP = "step"

Row = Mapping[str, "float | None"]


class CsvTable:
    """The file and how it is written; a row has a value for STEP, and None where there is no value.

    A column that appears later is added at the end: the file is written again, and earlier rows have no value there.
    A row whose step is not above the last one replaces that and all later ones: training went back.
    """

    def __init__(self, path: str):
        self._path = path
        self._columns: list[str] = []
        self._last_step = -1
        self._is_known = True

    def reopen(self) -> None:
        """To be called when `append` failed: what it wrote is not known, and the next row replaces it."""
        self._is_known = False

    def start(self, step: int, log: Callable[[str], None]) -> list[dict[str, float]]:
        """Removes the rows after `step` and a line that was cut; returns the rows that are left.

        Rows that something else has damaged are removed, too: then the old file is kept under another name, which `log`
        is told. Nothing is made if there is no file.
        """
        data = _read_bytes(self._path)
        contents = _parse(data)
        rows = [row for row in contents.rows if row[STEP] <= step]
        if contents.damage:
            self._keep_damaged(data, contents.damage, log)
        if data and _format(contents.columns, rows) != data:
            self._write(contents.columns, rows)
        self._is_known = True
        self._columns = contents.columns if rows else []  # without rows, those of the next row are the right ones
        self._last_step = int(rows[-1][STEP]) if rows else -1
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        """Adds rows, at least one, whose steps rise."""
        steps = [row[STEP] or 0 for row in rows]
        new = [name for name in dict.fromkeys(itertools.chain(*rows)) if name not in self._columns]
        if self._is_known and steps[0] > self._last_step and not new:
            self._append_lines([_format_row(self._columns, row) for row in rows])
        else:
            before = (
                [old for old in _parse(_read_bytes(self._path)).rows if old[STEP] < steps[0]] if self._columns else []
            )
            self._columns += new
            self._write(self._columns, [*before, *rows])
        self._last_step, self._is_known = int(steps[-1]), True

    def _append_lines(self, lines: list[str]) -> None:
        is_new = not files.exists(self._path)  # it was removed meanwhile
        files.append_lines(self._path, [*([_header(self._columns)] if is_new else []), *lines])

    def _write(self, columns: list[str], rows: Iterable[Row]) -> None:
        files.write_bytes(self._path, _format(columns, rows))

    def _keep_damaged(self, data: bytes, damage: str, log: Callable[[str], None]) -> None:
        kept = self._path.removesuffix(".csv") + "-damaged.csv"
        files.write_bytes(kept, data)
        log(f"warning: {self._path}, {damage}: this line and all after it were removed. The old file is now {kept}.")


def read(path: str) -> list[dict[str, float]]:
    """The rows of a CsvTable's file, without the cells that have no value; [] if there is no file.

    Ends before a line that is not a row: one that is being written, or that something else damaged.
    """
    return _parse(_read_bytes(path)).rows


@dataclass
class _Contents:
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    damage: str | None = None
    """Which line is none of a CsvTable, and why."""


def _parse(data: bytes) -> _Contents:
    whole = data[: data.rfind(b"\n") + 1]  # a last line without its end was cut, or is being written
    reader = csv.reader(io.StringIO(whole.decode("utf-8-sig", "replace"), newline=""), strict=True)
    contents = _Contents()
    try:
        contents.columns = next(reader, [])
        if whole and STEP not in contents.columns:
            raise ValueError(f"there is no column {STEP}")
        for cells in reader:
            contents.rows.append(_parse_row(contents.columns, cells, contents.rows))
    except (ValueError, csv.Error) as error:
        contents.damage = f"line {reader.line_num}: {error}"
    return contents


def _parse_row(columns: list[str], cells: list[str], before: list[dict[str, float]]) -> dict[str, float]:
    if len(cells) != len(columns):
        raise ValueError(f"it has {len(cells)} cells, the header {len(columns)}")
    row = {name: _parse_number(cell) for name, cell in zip(columns, cells, strict=True) if cell}
    if STEP not in row:
        raise ValueError(f"it has no {STEP}")
    if before and row[STEP] <= before[-1][STEP]:
        raise ValueError(f"its step {row[STEP]} follows on step {before[-1][STEP]}")
    return row


def _parse_number(cell: str) -> float:
    return int(cell) if cell.isdecimal() else float(cell)


def _format(columns: list[str], rows: Iterable[Row]) -> bytes:
    lines = [_header(columns), *(_format_row(columns, row) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def _header(columns: list[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(columns)  # its own end of line: with another one it leaves \r in a name unquoted
    return line.getvalue().removesuffix("\r\n")


def _format_row(columns: list[str], row: Row) -> str:
    values = [row.get(name) for name in columns]
    return ",".join("" if value is None else repr(value) for value in values)


def _read_bytes(path: str) -> bytes:
    return files.read_bytes(path) if files.exists(path) else b""
