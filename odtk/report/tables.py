"""Tables as data: shown on a page, and written whole as CSV."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from odtk.report.charts import bars
from odtk.report.html import element, table

Value: TypeAlias = Any  # str, int, float or None

FOLDED_FROM = 16
"""Rows from which on a page shows only the first and folds the others."""
_SHOWN = 12


@dataclass(frozen=True)
class Table:
    """Rows of values under columns; None and NaN are values that do not exist."""

    name: str  # of its file, without a suffix
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    kind: str = ""  # class of the style sheet: "words" for cells with sentences

    def as_csv(self) -> bytes:
        """UTF-8, with a line of column names; a value that does not exist is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_exact(value) for value in row] for row in self.rows)
        return text.getvalue().encode("utf-8", "replace")


def shown(
    whole: Table, columns: Sequence[int] | None = None, bar: int | None = None, caption: str = ""
) -> etree._Element:
    """The table on a page: the columns of these numbers, or all; of many rows only the first, the others are folded.

    `bar` is the number of a column whose values, from 0, get bars; `caption` is another one than the table's own.
    """
    caption = caption or whole.caption
    chosen = range(len(whole.columns)) if columns is None else columns
    greatest = max((_finite(row[bar]) for row in whole.rows), default=0) if bar is not None else 0

    def part(caption: str, rows: Sequence[Sequence[Value]]) -> etree._Element:
        cells = [[*_cells([row[number] for number in chosen]), *_bar(row, bar, greatest)] for row in rows]
        heads = [*(whole.columns[number] for number in chosen), *[""] * (bar is not None)]
        return table(caption, heads, cells, whole.kind)

    if len(whole.rows) < FOLDED_FROM:
        return part(caption, whole.rows)
    rest = whole.rows[_SHOWN:]
    folded = element("details", element("summary", f"{len(rest):,} more"), part(f"{caption} (continued)", rest))
    return element("div", part(caption, whole.rows[:_SHOWN]), folded)


def _cells(row: Sequence[Value]) -> list:
    """The cells of a row; names behind the first column are wrapped, as numbers are not."""
    first, *others = row
    return [
        in_words(first),
        *(element("td", each, class_="name") if isinstance(each, str) else in_words(each) for each in others),
    ]


def in_words(value: Value) -> str:
    """A value as a page shows it: numbers with three decimals or thousands separators, a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else value


def _bar(row: Sequence[Value], bar: int | None, greatest: float) -> list[etree._Element]:
    return [] if bar is None else [bars([_finite(row[bar]) / greatest if greatest else 0])]


def _finite(value: Value) -> float:
    return max(0.0, float(value)) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _exact(value: Value) -> Value:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value
