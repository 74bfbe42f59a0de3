"""Label maps: which number stands for which class, read from and written to TFOD's StringIntLabelMap files."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from odtk import prototext, shipped
from odtk.atomic import write_text
from odtk.errors import LabelMapError
from odtk.protos import string_int_label_map_pb2
from odtk.prototext import schema, syntax

BACKGROUND = "background"
"""The only name that id 0 may have; such an item is no class."""


@dataclass(frozen=True)
class Item:
    """A class: its id (from 1), the name that annotations and records use, and one to show, if that is another."""

    id: int
    name: str
    display_name: str = ""

    @property
    def shown(self) -> str:
        """The display name, or the name where there is none."""
        return self.display_name or self.name


@dataclass(frozen=True)
class LabelMap:
    """The classes by id, background left out."""

    items: list[Item]

    @property
    def num_classes(self) -> int:
        """The greatest id, which is what `num_classes` has to be in a config."""
        return max((item.id for item in self.items), default=0)

    def id_of(self, text: str) -> int | None:
        """The id of a class by its name, or else its display name, as TFOD's decoder looks it up."""
        for names in ((item.name for item in self.items), (item.display_name for item in self.items)):
            for item, name in zip(self.items, names, strict=True):
                if text and name == text:
                    return item.id
        return None

    def name_of(self, id: int) -> str | None:
        """The name to show for an id, None for one that the map does not have."""
        return next((item.shown for item in self.items if item.id == id), None)

    def categories(self) -> list[dict]:
        """The classes as COCO's tools take them: `{"id": 1, "name": "cat"}`, by id."""
        return [{"id": item.id, "name": item.shown} for item in self.items]


def of_names(names: Iterable[str]) -> LabelMap:
    """The label map that numbers `names` from 1."""
    return LabelMap([Item(number, name) for number, name in enumerate(names, start=1)])


def folded(name: str) -> str:
    """A class's name for comparing: without what typing errors change, which is case, spaces, dashes and the like."""
    return "".join(letter for letter in name.casefold() if not letter.isspace() and letter not in "_-")


def find(name_or_path: str | os.PathLike) -> Path:
    """The path of a label map: an existing file first, then the name of a shipped one; LabelMapError for neither."""
    path, name = Path(name_or_path), os.fspath(name_or_path).removesuffix(".pbtxt")
    maps = shipped.shipped_files("label_maps", ".pbtxt")
    if path.exists():
        return path
    if name in maps:
        return maps[name]
    close = schema.nearest(path.name.removesuffix(".pbtxt"), list(maps))
    hint = f"Did you mean the shipped {' or '.join(close)}?" if close else f"Shipped are: {', '.join(maps)}."
    raise LabelMapError(f"{path} is neither a file nor a shipped label map. {hint}")


def read(name_or_path: str | os.PathLike, allow_gaps: bool = False) -> LabelMap:
    """The label map of a file or a shipped one's name ("pet_label_map"); see `parse`."""
    path = find(name_or_path)
    return parse(prototext.read_text(path, "a label map", LabelMapError), str(path), allow_gaps)


def parse(text: str, filename: str, allow_gaps: bool = False) -> LabelMap:
    """The label map that a text means; `filename` is for the error texts.

    Raises LabelMapError, with file and line, for a text that does not parse, an item without a name, a name or an id
    that stands twice, an id below 1 (0 may be the background's) and, unless `allow_gaps`, ids that are not 1..N.
    """
    message = prototext.parse(text, string_int_label_map_pb2.StringIntLabelMap(), filename, LabelMapError)
    items, seen = [], {}
    for found, line in zip(message.item, _item_lines(text), strict=True):
        where = f"{filename}:{line}"
        item = Item(found.id, found.name or found.display_name, found.display_name)
        if not item.name:
            raise LabelMapError(f"{where}: the item with id {item.id} has no name. Add one: name: 'cat'.")
        if item.id == 0 and BACKGROUND in (found.name, found.display_name):
            continue
        _check_id(found, item, where)
        for kind, value in (("id", item.id), ("name", item.name)):
            if (kind, value) in seen:
                raise LabelMapError(
                    f"{where}: the {kind} {value} stands in line {seen[kind, value]} already. Each is for one class."
                )
            seen[kind, value] = line
        items.append(item)
    items.sort(key=lambda item: item.id)
    _check_complete(items, filename, allow_gaps)
    return LabelMap(items)


def _item_lines(text: str) -> list[int]:
    entries = syntax.read_tree(text).named("item")
    return [syntax.line_of(text, entry.start) for entry in entries for _ in entry.values]


def _check_id(found: string_int_label_map_pb2.StringIntLabelMapItem, item: Item, where: str) -> None:
    if not found.HasField("id"):
        raise LabelMapError(f"{where}: the item {item.name!r} has no id. Number the classes from 1.")
    if item.id < 1:
        raise LabelMapError(
            f"{where}: the id of {item.name!r} is {item.id}. Ids start at 1; 0 is for an item named 'background' only."
        )


def _check_complete(items: list[Item], filename: str, allow_gaps: bool) -> None:
    if not items:
        raise LabelMapError(f"{filename} has no classes. Add items: item {{ id: 1 name: 'cat' }}.")
    missing = sorted(set(range(1, items[-1].id + 1)) - {item.id for item in items}) if items[-1].id < 10**6 else [1]
    if missing and not allow_gaps:
        raise LabelMapError(
            f"{filename} goes up to id {items[-1].id}, but has no id {schema.some(list(map(str, missing)))}. "
            f"Number the classes from 1 without gaps."
        )


def format(label_map: LabelMap) -> str:
    """A label map as the text of a .pbtxt file; LabelMapError for a name that `parse` would refuse."""
    message = string_int_label_map_pb2.StringIntLabelMap()
    for item in label_map.items:
        if any(letter < " " for letter in item.name + item.display_name):
            raise LabelMapError(
                f"The class {item.name!r} has a control character in its name, which label maps do not take. Rename it."
            )
        added = message.item.add(id=item.id, name=item.name)
        if item.display_name:
            added.display_name = item.display_name
    return text_format.MessageToString(message, as_utf8=True)


def write(label_map: LabelMap, path: str | os.PathLike) -> None:
    """Writes a label map as a .pbtxt file, whole or not at all."""
    write_text(path, format(label_map))
