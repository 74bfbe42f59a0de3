"""Checks the text of a label map, without any data."""

import re
from collections.abc import Callable

from odtk import label_map as label_maps
from odtk import prototext
from odtk.errors import LabelMapError
from odtk.findings import ERROR, NOTE, WARNING, Finding, has_errors
from odtk.label_map import BACKGROUND, GREATEST_ID
from odtk.protos.string_int_label_map_pb2 import StringIntLabelMap
from odtk.prototext import schema
from odtk.tools.label_map.entries import FIELDS, LabelMapEntry, read_items

_IDS_NAMED = 10


def check_text(text: str, file: str) -> tuple[list[LabelMapEntry], list[Finding]]:
    """The items of a label map's text, and all findings about it."""
    try:
        items = list(read_items(text))
    except ValueError:
        items = []
    findings: list[Finding] = []
    if items:

        def add(line: int | None, text: str, severity: str = ERROR) -> None:
            findings.append(Finding(severity, text, file=file, line=line))

        for find in (_incomplete, _odd_names, _repeated, _alike, _gaps):
            find(items, add)
    # The parser explains other errors (a misspelled field, a missing brace).
    is_repeating = any(len(item.values.get(name, [])) > 1 for item in items for name in FIELDS)
    if not has_errors(findings):
        findings += _refusal(lambda: label_maps.parse(text, file), file)
    elif not is_repeating:
        findings += _refusal(lambda: prototext.parse(text, StringIntLabelMap(), file, LabelMapError), file)
    return items, sorted(findings, key=lambda finding: finding.line or 0)


def _refusal(parse: Callable, file: str) -> list[Finding]:
    try:
        parse()
    except LabelMapError as error:
        match = re.match(re.escape(file) + r":(\d+)(?::\d+)?: ", str(error))
        text = str(error)[match.end() :] if match else str(error).removeprefix(file).lstrip(": ")
        return [Finding(ERROR, text, file=file, line=int(match[1]) if match else None)]
    return []


def _incomplete(items: list[LabelMapEntry], add: Callable) -> None:
    for item in items:
        if not item.values.keys() <= {*FIELDS}:
            continue  # the parser explains a misspelled field
        for name in FIELDS:
            values = item.values.get(name, [])
            if len(values) > 1:
                found = ", ".join(f"{value} in line {line}" for value, line in values)
                text = f"this item has {len(values)} {name}s ({found}), but is for one class. Write an item for each: "
                add(item.line, text + "item { id: 1 name: 'cat' }.")
        called = repr(item.name) if item.name else "this item"
        if "id" not in item.values:
            add(item.line, f"{called} has no id. Number the classes from 1.")
        elif item.one("id") is not None and item.number is None:
            add(item.line, f"the id of {called} is {item.one('id')}, which is not an integer. Write for example: id: 1")
        if item.name is None and not any(len(item.values.get(name, [])) > 1 for name in FIELDS[1:]):
            add(item.line, "this item has no name. Add the one that the annotations use: name: 'cat'.")
        if item.number is not None and item.number < 1 and not item.is_background:
            add(item.line, f"the id of {called} is {item.number}. Ids start at 1: add 1 to all ids; 0 is "
                f"only for an item named '{BACKGROUND}'.")  # fmt: skip
        if item.number is not None and item.number > GREATEST_ID:
            add(item.line, f"the id of {called} is {item.number}, and a model needs as many outputs. Number the "
                "classes from 1.")  # fmt: skip


def _odd_names(items: list[LabelMapEntry], add: Callable) -> None:
    for item in items:
        for name in FIELDS[1:]:
            for value, line in item.values.get(name, []):
                if value != value.strip():
                    text = f"the {name} {value!r} begins or ends with a space, so {value.strip()!r} in the data "
                    add(line, f"{text}is another class. Remove the space.")


def _repeated(items: list[LabelMapEntry], add: Callable) -> None:
    lines: dict[int, int] = {}
    named: dict[str, list[LabelMapEntry]] = {}
    for item in items:
        if item.is_background:
            continue
        if item.number is not None and item.number in lines:
            text = f"the id {item.number} is already used in line {lines[item.number]}. Each id is for one class: give "
            add(item.line, f"{text}this item its own id. (TFOD would make one class of the two.)")
        if item.number is not None:
            lines.setdefault(item.number, item.line)
        if item.name:
            named.setdefault(item.name, []).append(item)
    for name, alike in named.items():
        if len(alike) > 1:
            lines_of_name, last = _some([item.line for item in alike]), alike[-1].number
            text = f"the name {name!r} is used {len(alike)} times (lines {lines_of_name}). It stands for the last of "
            add(alike[1].line, f"{text}these, id {last}, as in TFOD: give each class of the data its own name.", NOTE)


def _alike(items: list[LabelMapEntry], add: Callable) -> None:
    seen: dict[str, LabelMapEntry] = {}
    for item in items:
        if item.name:
            first = seen.setdefault(label_maps.folded(item.name), item)
            if first.name != item.name:
                text = (
                    f"the name {item.name!r} differs from {first.name!r} of line {first.line} only in case, spaces or "
                )
                add(item.line, f"{text}dashes: are these two classes? If not, keep the one in the data.", WARNING)


def _gaps(items: list[LabelMapEntry], add: Callable) -> None:
    numbers = {item.number for item in items if item.number is not None and item.number > 0}
    greatest = max(numbers, default=0)
    missing = sorted(set(range(1, greatest + 1)) - numbers) if greatest <= GREATEST_ID else []
    if missing:
        text = f"the ids go up to {greatest}, but there is no id {_some(missing)}. That is allowed, as in TFOD: "
        add(None, f"{text}num_classes has to be {greatest} or more, and the missing ids are not trained.", NOTE)


def _some(numbers: list[int]) -> str:
    return schema.some(list(map(str, numbers)), _IDS_NAMED)
