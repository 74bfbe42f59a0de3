"""Changes lines of a YOLO text: the separators, the other lines and the other columns stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from odtk.annotations import text_encoding
from odtk.annotations.edits import NORMALIZED_DECIMALS, Edit, cannot, refuse_outline
from odtk.annotations.value_parsing import finite


def edited(data: bytes, path: str, edits: Sequence[Edit], names: Mapping[int, str]) -> bytes:
    """The bytes of a text with its lines changed; `names` by class id. Raises UnusableImage for what cannot be."""
    encoding, mark = text_encoding.encoding_of(data)
    lines = data[mark:].decode(encoding).splitlines(keepends=True)
    for edit in edits:
        refuse_outline(edit, path)
        if edit.entry is None:
            continue
        assert edit.entry.line is not None
        place = edit.entry.line - 1
        lines[place] = "" if edit.is_discarded else _changed(lines[place], path, edit, names)
    lines += [_new_line(lines, path, edit, names) for edit in edits if edit.entry is None]
    return data[:mark] + "".join(lines).encode(encoding)


def _changed(line: str, path: str, edit: Edit, names: Mapping[int, str]) -> str:
    parts = _parts(line)
    places = [place for place, part in enumerate(parts) if place % 2 == 0 and part.strip()]
    if edit.class_name is not None:
        is_name = finite(parts[places[0]]) is None
        parts[places[0]] = edit.class_name if is_name else str(_number_of(edit.class_name, path, names))
    if edit.numbers is not None:
        before = [parts[place] for place in places[1:5]]
        texts = edit.texts(before, NORMALIZED_DECIMALS)
        for place, new, old in zip(places[1:5], texts, before, strict=True):
            parts[place] = _like(old, new)
    return "".join(parts)


def _parts(line: str) -> list[str]:
    """The line's words at even places, and what is between them at odd ones; see `yolo_columns.words_of`."""
    is_comma = "," in line and len(line.replace(";", " ").split()) == 1
    return re.split(r"([,\s]+)" if is_comma else r"([\s;]+)", line)


def _like(old: str, new: str) -> str:
    """A number with the decimal comma, and the comma at the end, of the one before."""
    end = old[len(old.rstrip(",")) :]
    return (new.replace(".", ",") if "," in old.rstrip(",") else new) + end


def _number_of(name: str, path: str, names: Mapping[int, str]) -> int:
    number = next((number for number, known in names.items() if known == name), None)
    if number is None:
        raise cannot(path, None, f"the dataset has no class {name!r}. Add it to the names of data.yaml first.")
    return number


def _new_line(lines: list[str], path: str, edit: Edit, names: Mapping[int, str]) -> str:
    assert edit.class_name is not None
    end = "\r\n" if any(line.endswith("\r\n") for line in lines) else "\n"
    has_end = not lines or lines[-1] == "" or lines[-1].splitlines()[0] != lines[-1]
    words = [str(_number_of(edit.class_name, path, names)), *edit.texts([], NORMALIZED_DECIMALS)]
    return ("" if has_end else end) + " ".join(words) + end
