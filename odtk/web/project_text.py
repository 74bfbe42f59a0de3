"""A project file as text: read as `odtk run` reads it, and edited in place, so that people's notes stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

_INDENT = "  "
_WIDE = 1_000_000  # characters: values are not wrapped


class NotEditable(ValueError):
    """A text that is no mapping of sections, or whose section is no block of keys; it says what it is instead."""


def read_plain(text: str) -> dict[str, Any]:
    """What a project file says: its keys, with scalars as they are written (a seed of 007 is no 7), None for nothing.

    Raises yaml.YAMLError for what is no YAML, and NotEditable for what is no mapping.
    """
    root = _compose(text)
    return {} if root is None else _plain(root)


def with_values(text: str, section: str, values: Mapping[str, Any]) -> str:
    """The text with keys of a section set, or taken out (None); all that says something else stays as it is written.

    Raises as `read_plain`, and NotEditable for a section that is no block of keys.
    """
    expected = read_plain(text)
    before = _keys_of(expected, section)
    keys = {**before, **{key: _as_written(value) for key, value in values.items()}}
    expected[section] = {key: value for key, value in keys.items() if value is not None or before.get(key, "") is None}
    changed = {key: value for key, value in values.items() if before.get(key) != expected[section].get(key)}

    def edited() -> str:
        found = _with_section(text, section)
        for key, value in changed.items():
            found = _without(found, section, key) if value is None else _with(found, section, key, value)
        return found

    return _checked(edited, expected)


def without_keys(text: str, keys: Mapping[str, tuple[str, ...]]) -> str:
    """The text without keys of sections, and without those of the file itself, which are named under "".

    Raises as `read_plain`.
    """
    expected = read_plain(text)
    gone = []
    for section, names in keys.items():
        owner = expected.get(section) if section else expected
        for name in names:
            if isinstance(owner, dict) and name in owner:
                owner.pop(name)
                gone.append((section, name))

    def edited() -> str:
        found = text
        for section, name in gone:
            found = _without(found, section, name)
        return found

    return _checked(edited, expected)


def _checked(edit: Callable[[], str], expected: dict[str, Any]) -> str:
    """The edited text, if it says what it should; else one that does, without the notes.

    Of a text that is written in an unusual way: with braces around all of it, or with names for values.
    """
    try:
        edited = edit()
        if _without_nulls(read_plain(edited)) == _without_nulls(expected):
            return edited
    except (yaml.YAMLError, NotEditable, StopIteration):
        pass
    return yaml.safe_dump(expected, sort_keys=False, allow_unicode=True)


def _without_nulls(found: dict[str, Any]) -> dict[str, Any]:
    """`train:` is as `train: {}`."""
    return {key: {} if value is None else value for key, value in found.items()}


def _keys_of(found: Mapping[str, Any], section: str) -> dict[str, Any]:
    keys = found.get(section)
    if keys is not None and not isinstance(keys, dict):
        raise NotEditable(f"{section} is {keys!r}; it is a block of keys and values.")
    return keys or {}


def _compose(text: str) -> yaml.MappingNode | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise NotEditable("it has no sections. Name a section for each stage, such as train.")
    return root


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each) for each in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(_plain(key)): _plain(value) for key, value in node.value}
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _as_written(value: Any) -> Any:
    """A value as `read_plain` has it once it stands in a file."""
    node = yaml.compose(_dumped(value), Loader=yaml.SafeLoader)
    return None if node is None else _plain(node)


def _dumped(value: Any) -> str:
    """A value on one line, as it may stand in a list, too."""
    style = '"' if isinstance(value, str) and "\n" in value else None
    text = yaml.safe_dump([value], default_flow_style=True, width=_WIDE, allow_unicode=True, default_style=style)
    return str(text).strip()[1:-1]


def _find(text: str, name: str, owner: yaml.MappingNode | None = None) -> tuple[yaml.Node, yaml.Node] | None:
    """The nodes of a key and of its value in a mapping, by default in the file's."""
    owner = owner or _compose(text)
    found = [] if owner is None else [(key, value) for key, value in owner.value if str(_plain(key)) == name]
    return found[0] if found else None


def _with_section(text: str, section: str) -> str:
    """The text with the section, as one that keys can be put under."""
    found = _find(text, section)
    if found is not None:
        return text
    root = _compose(text)
    indent = " " * root.start_mark.column if root is not None else ""
    return f"{_ended(text)}{indent}{section}: {{}}{_line_end(text)}"


def _with(text: str, section: str, key: str, value: Any) -> str:
    """The text with a key of a section that is there."""
    name, owner = _require(text, section)
    entry, dumped = f"{key}: {_dumped(value)}", _dumped(value)
    found = _find(text, key, owner) if isinstance(owner, yaml.MappingNode) else None
    if found is not None:
        end = _end_of(text, found[1])
        return f"{text[: found[0].end_mark.index]}: {dumped}{text[end:]}"
    if isinstance(owner, yaml.MappingNode) and owner.value:
        last = _end_of(text, owner.value[-1][1])
        if owner.flow_style:
            return f"{text[:last]}, {entry}{text[last:]}"
        return _line_after(text, last, " " * owner.value[0][0].start_mark.column + entry)
    # `train:` or `train: {}`, perhaps with a note behind it
    start, end = name.end_mark.index + 1, owner.end_mark.index
    rest = text[max(start, end) :]
    opened = text[:start] + rest
    return _line_after(opened, start, " " * name.start_mark.column + _INDENT + entry)


def _without(text: str, section: str, key: str) -> str:
    """The text without a key and what stands behind it; of the file itself for a section of ""."""
    owner = _compose(text) if not section else _require(text, section)[1]
    assert isinstance(owner, yaml.MappingNode)
    place = next(number for number, (name, _) in enumerate(owner.value) if str(_plain(name)) == key)
    start, end = owner.value[place][0].start_mark.index, _end_of(text, owner.value[place][1])
    if owner.flow_style:
        if place + 1 < len(owner.value):
            return text[:start] + text[owner.value[place + 1][0].start_mark.index :]
        return text[: _end_of(text, owner.value[place - 1][1]) if place else start] + text[end:]
    start, end = text.rfind("\n", 0, start) + 1, _next_line(text, end)
    if section and len(owner.value) == 1:
        name = _require(text, section)[0].end_mark.index + 1
        return f"{text[:name]} {{}}{text[name:start]}{text[end:]}"
    return text[:start] + text[end:]


def _require(text: str, section: str) -> tuple[yaml.Node, yaml.Node]:
    found = _find(text, section)
    assert found is not None
    return found


def _end_of(text: str, node: yaml.Node) -> int:
    """Where a value ends; that of a block is marked only after the notes that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end_of(text, last[1] if isinstance(last, tuple) else last)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return len(text[: node.end_mark.index].rstrip())
    return node.end_mark.index


def _line_after(text: str, place: int, line: str) -> str:
    """The text with a line after that of a place."""
    end = _next_line(text, place)
    return f"{_ended(text[:end])}{line}{_line_end(text)}{text[end:]}"


def _next_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + _line_end(text)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
