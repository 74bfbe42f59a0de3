"""Label maps: the ids and names of the classes, read from and written to TFOD's StringIntLabelMap files."""

import bisect
import functools
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format

from odtk import prototext, resources
from odtk.atomic import write_text
from odtk.errors import LabelMapError
from odtk.protos import string_int_label_map_pb2
from odtk.prototext import schema, syntax

BACKGROUND = "background"
"""The only name allowed for id 0; such an item is not a class."""

GREATEST_ID = 10**6
"""Limit for ids, as a model has as many outputs as the largest id; no detector has more than this."""


@dataclass(frozen=True)
class Item:
    """A class: its id (from 1), its name in annotations and records, and a display name, if that is different."""

    id: int
    name: str
    display_name: str = ""

    @property
    def shown(self) -> str:
        """The display name, or else the name."""
        return self.display_name or self.name


@dataclass(frozen=True)
class LabelMap:
    """The classes by id, without the background.

    As in TFOD, there may be gaps between ids, and several classes may have the same name; a look-up by that name finds
    the last one in the file.
    """

    items: list[Item]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)  # by name and display name

    def __post_init__(self):
        # In the file's order, display names first, so that names take precedence, and later items over earlier ones.
        ids = {item.display_name: item.id for item in self.items} | {item.name: item.id for item in self.items}
        object.__setattr__(self, "_ids", {text: number for text, number in ids.items() if text})
        object.__setattr__(self, "items", sorted(self.items, key=lambda item: item.id))

    @property
    def num_classes(self) -> int:
        """The largest id, which is the minimum for `num_classes` in a config."""
        return self.items[-1].id if self.items else 0

    def id_of(self, text: str) -> int | None:
        """The id of a class by its name, or else its display name, as in TFOD's decoder."""
        return self._ids.get(text)

    def name_of(self, id: int) -> str | None:
        """The display name for an id, None if the id is not in the map."""
        item = self._items_by_id.get(id)
        return item.shown if item else None

    @property
    def texts(self) -> dict[str, int]:
        """Every name and display name with its id."""
        return dict(self._ids)

    def categories(self) -> list[dict]:
        """The classes in the form of COCO's tools: `{"id": 1, "name": "cat"}`, by id."""
        return [{"id": item.id, "name": item.shown} for item in self.items]

    def holes(self) -> list[int]:
        """The unused ids below the largest."""
        return sorted({*range(1, self.num_classes)} - self._items_by_id.keys())

    def repeated(self) -> dict[str, list[int]]:
        """The names that several classes have, each with their ids."""
        ids: dict[str, list[int]] = {}
        for item in self.items:
            ids.setdefault(item.name, []).append(item.id)
        return {name: numbers for name, numbers in ids.items() if len(numbers) > 1}

    def single_items(self) -> list[Item]:
        """The classes with a unique name: repeated ones, such as TFOD's "NA", only fill gaps."""
        repeated = self.repeated()
        return [item for item in self.items if item.name not in repeated]

    @functools.cached_property
    def _items_by_id(self) -> dict[int, Item]:
        return {item.id: item for item in self.items}


def of_names(names: Iterable[str]) -> LabelMap:
    """The label map that numbers `names` from 1."""
    return LabelMap([Item(number, name) for number, name in enumerate(names, start=1)])


def names_in_order(listed: Iterable[str] | None, found: Iterable[str]) -> list[str]:
    """The classes of a dataset in the order of make-tfrecords: first those it lists itself, then others, sorted."""
    return list(dict.fromkeys([*(listed or ()), *sorted(set(found))]))


def folded(name: str) -> str:
    """A class's name for comparison: without case, spaces, dashes and underscores, where most typing errors are."""
    return "".join(letter for letter in name.casefold() if not letter.isspace() and letter not in "_-")


def find(name_or_path: str | os.PathLike) -> Path:
    """The path of a label map: an existing file first, then the name of a shipped one; LabelMapError for neither."""
    path, name = Path(name_or_path), os.fspath(name_or_path).removesuffix(".pbtxt")
    maps = resources.shipped_files("label_maps", ".pbtxt")
    if path.exists():
        return path
    if name in maps:
        return maps[name]
    close = schema.nearest(path.name.removesuffix(".pbtxt"), list(maps))
    hint = f"Did you mean the shipped {' or '.join(close)}?" if close else f"Shipped are: {', '.join(maps)}."
    raise LabelMapError(f"{path} is neither a file nor a shipped label map. {hint}")


def read(name_or_path: str | os.PathLike) -> LabelMap:
    """The label map of a file or a shipped one's name ("pet_label_map"); see `parse`."""
    path = find(name_or_path)
    return parse(prototext.read_text(path, "a label map", LabelMapError), str(path))


def parse(text: str, filename: str) -> LabelMap:
    """The label map in a text; `filename` is for the error texts.

    Raises LabelMapError, with file and line, for a text that does not parse or has no class, an item without a name, a
    repeated id, and an id below 1 (0 may be the background's) or above GREATEST_ID. TFOD merges two items with the same
    id into one class; odtk does not, as it may be a mistake that mixes two classes.
    """
    message = prototext.parse(text, string_int_label_map_pb2.StringIntLabelMap(), filename, LabelMapError)
    items: list[Item] = []
    places: dict[int, int] = {}  # by id
    for place, found in enumerate(message.item):
        item = Item(found.id, found.name or found.display_name, found.display_name)
        if item.id == 0 and BACKGROUND in (found.name, found.display_name):
            continue
        fault = _fault_of(item, found.HasField("id"))
        if fault is None and item.id in places:
            first = _item_lines(text)[places[item.id]]
            fault = f"the id {item.id} is already used in line {first}. Each class needs its own id."
        if fault is not None:
            raise LabelMapError(f"{filename}:{_item_lines(text)[place]}: {fault}")
        places[item.id] = place
        items.append(item)
    if not items:
        raise LabelMapError(f"{filename} has no classes. Add items: item {{ id: 1 name: 'cat' }}.")
    return LabelMap(items)


def line_finder(text: str) -> Callable[[int], int]:
    """A function from an offset in `text` to its line (from 1), for many offsets in a long text."""
    starts = [match.end() for match in re.finditer("\n", text)]
    return lambda offset: bisect.bisect_right(starts, offset) + 1


def _item_lines(text: str) -> list[int]:
    line_of, entries = line_finder(text), syntax.read_tree(text).named("item")
    return [line_of(entry.start) for entry in entries for _ in entry.values]


def _fault_of(item: Item, has_id: bool) -> str | None:
    if not item.name:
        return f"the item with id {item.id} has no name. Add one: name: 'cat'."
    if not has_id:
        return f"the item {item.name!r} has no id. Number the classes from 1."
    if item.id < 1:
        return f"the id of {item.name!r} is {item.id}. Ids start at 1; 0 is for an item named 'background' only."
    if item.id > GREATEST_ID:
        return f"the id of {item.name!r} is {item.id}; a model would need that many outputs. Number them from 1."
    return None


def format(label_map: LabelMap) -> str:
    """A label map as the text of a .pbtxt file; LabelMapError for a name that `parse` would refuse."""
    message = string_int_label_map_pb2.StringIntLabelMap()
    for item in label_map.items:
        if any(letter < " " for letter in item.name + item.display_name):
            raise LabelMapError(
                f"The class {item.name!r} has a control character in its name, which label maps cannot hold. Rename it."
            )
        added = message.item.add(id=item.id, name=item.name)
        if item.display_name:
            added.display_name = item.display_name
    return text_format.MessageToString(message, as_utf8=True)


def write(label_map: LabelMap, path: str | os.PathLike) -> None:
    """Writes a label map as a .pbtxt file, atomically."""
    write_text(path, format(label_map))
