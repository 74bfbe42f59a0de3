"""Changes rows of a table of boxes: the other rows and cells stay as they are, with their quotes and spaces."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from odtk.annotations import text_encoding
from odtk.annotations.csv_columns import Columns, columns_of, without_excel
from odtk.annotations.edits import NORMALIZED_DECIMALS, Edit, cannot, refuse_outline

_SNIFFED = 1 << 16


def edited(
    data: bytes, path: str, images: Sequence[tuple[Sequence[Edit], Sequence[int]]], is_normalized: bool
) -> bytes:
    """The bytes of a table with rows of some images changed.

    `images`: for each the edits, and the lines of its rows, of which one is copied for a new object. Raises
    UnusableImage for what cannot be written.
    """
    encoding, mark = text_encoding.encoding_of(data)
    text = data[mark:].decode(encoding)
    columns = columns_of(text[:_SNIFFED])
    if columns is None:
        raise cannot(path, None, "it is no table of images, classes and boxes any more.")
    least = NORMALIZED_DECIMALS if is_normalized else 0
    rows = _rows(text, columns.delimiter)
    for edits, lines in images:
        for edit in edits:
            refuse_outline(edit, path)
            if edit.entry is not None:
                _edit_row(rows, edit, lines, columns, least)
        for edit in edits:
            if edit.entry is None:
                _add(rows, path, edit, lines, columns, least)
    return data[:mark] + "".join(rows.values()).encode(encoding)


def _edit_row(rows: dict[int, str], edit: Edit, lines: Sequence[int], columns: Columns, least: int) -> None:
    assert edit.entry is not None
    assert edit.entry.line is not None
    row = rows[edit.entry.line]
    if edit.is_discarded:
        rows[edit.entry.line] = _discarded(rows, row, lines, columns)
    else:
        rows[edit.entry.line] = _changed(row, edit, columns, least)


def _rows(text: str, delimiter: str) -> dict[int, str]:
    """The text of each row by the number of its last line, as the reader counts, with the line end."""
    lines = list(io.StringIO(text, newline=""))
    # The reader is given no Excel's line, which it would count, too.
    reader = csv.reader(io.StringIO(without_excel(text, "\n"), newline=""), delimiter=delimiter)
    rows, begun = {}, 0
    for _ in reader:
        rows[reader.line_num] = "".join(lines[begun : reader.line_num])
        begun = reader.line_num
    rows[len(lines) + 1] = "".join(lines[begun:])
    return rows


def _changed(row: str, edit: Edit, columns: Columns, least: int) -> str:
    cells = _cells(row, columns.delimiter)
    if edit.class_name is not None:
        _set(cells, columns.places["class"], edit.class_name, columns.delimiter)
    if edit.numbers is not None:
        places = [columns.places[side] for side in columns.sides]
        before = [_bare(cells[place]) for place in places]
        for place, new, old in zip(places, edit.texts(before, least), before, strict=True):
            _set(cells, place, new.replace(".", ",") if "," in old else new, columns.delimiter)
    return columns.delimiter.join(cells)


def _discarded(rows: dict[int, str], row: str, of_image: Sequence[int], columns: Columns) -> str:
    """Nothing; for the last row of an image one without a box, which says that the image has no objects."""
    left = [line for line in of_image if rows.get(line)]
    if len(left) > 1:
        return ""
    cells = _cells(row, columns.delimiter)
    for thing in ("class", *columns.sides):
        _set(cells, columns.places[thing], "", columns.delimiter)
    return columns.delimiter.join(cells)


def _add(rows: dict[int, str], path: str, edit: Edit, of_image: Sequence[int], columns: Columns, least: int) -> None:
    """A row after the image's last one, or in place of the one that says that it has no objects."""
    left = [line for line in of_image if rows.get(line)]
    if not left:
        raise cannot(path, None, "the image has no row to go by. Add the object with the tool that wrote the table.")
    row, known = rows[left[-1]], set(columns.places.values())
    cells = _cells(row, columns.delimiter)
    is_free = not any(_bare(cells[columns.places[side]]) for side in columns.sides)
    # What is unknown of the new object is empty; the last cell has the line end.
    kept = [cell if is_free or place in known else _end(cell) for place, cell in enumerate(cells)]
    new = _changed(columns.delimiter.join(kept), edit, columns, least)
    rows[left[-1]] = new if is_free else (row if _end(row) else row + "\n") + new


def _end(text: str) -> str:
    return text[len(text.rstrip("\r\n")) :]


def _cells(row: str, delimiter: str) -> list[str]:
    """The cells of a row as they are written, with quotes and spaces; the last with the line end."""
    cells, begun, is_quoted = [], 0, False
    for place, letter in enumerate(row):
        if letter == '"':
            is_quoted = not is_quoted
        elif letter == delimiter and not is_quoted:
            cells.append(row[begun:place])
            begun = place + 1
    return [*cells, row[begun:]]


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _set(cells: list[str], place: int, new: str, delimiter: str) -> None:
    """Writes a cell between the spaces that were around it, in quotes where it had some or needs them."""
    old = cells[place]
    core = old.strip()
    start = old.index(core) if core else len(old) - len(old.lstrip(" "))
    end = start + len(core)
    needs = core.startswith('"') or any(letter in new for letter in (delimiter, '"', "\n", "\r"))
    cells[place] = old[:start] + ('"' + new.replace('"', '""') + '"' if needs else new) + old[end:]
