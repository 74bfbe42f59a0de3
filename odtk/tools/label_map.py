"""`odtk label-map`: everything that is wrong with a label map at once, one made from data, one as a table."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_encoding

from odtk import label_map as label_maps
from odtk import prototext, shards
from odtk.errors import DataError, LabelMapError
from odtk.label_map import BACKGROUND, LabelMap
from odtk.progress import track
from odtk.protos.string_int_label_map_pb2 import StringIntLabelMap
from odtk.prototext import schema, syntax
from odtk.tools.inspect.records import find_records
from odtk.tools.inspect.report import NO_SPLIT
from odtk.tools.inspect.sources import NO_ID, Source
from odtk.tools.inspect.targets import open_target
from odtk.tools.record_files import record_sets

ERROR, WARNING = "error", "warning"
SORTED, DATA = ORDERS = ("sorted", "data")

_FIELDS = ("id", "name", "display_name")
_GREATEST_ID = 10**6
_HOLES_NAMED = 10


@dataclass(frozen=True)
class Problem:
    """Something wrong with a label map: what, and how to mend it; `line` is None where it is about the whole file."""

    severity: str
    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}{f':{self.line}' if self.line else ''}: {self.text}"


@dataclass(frozen=True)
class CheckReport:
    """What was found in a label map, and how many classes it has."""

    path: str
    num_classes: int
    problems: list[Problem]

    @property
    def is_sound(self) -> bool:
        """Whether nothing would stop or mislead training."""
        return not any(problem.severity == ERROR for problem in self.problems)


@dataclass(frozen=True)
class MadeReport:
    """Where a label map was written, and its classes."""

    path: str
    names: list[str]


@dataclass
class Written:
    """An item as it stands in the text; a field that stands there several times has several values."""

    line: int
    values: dict[str, list[tuple[str, int]]]  # by field: value, line

    def one(self, name: str) -> str | None:
        """The value of a field, None where there is none (or more)."""
        values = self.values.get(name, [])
        return values[0][0] if len(values) == 1 else None

    @property
    def number(self) -> int | None:
        """The id, None where it is missing or no whole number."""
        text = self.one("id")
        try:
            return None if text is None else int(text, 0)
        except ValueError:
            return None

    @property
    def name(self) -> str | None:
        """The name that annotations use."""
        return self.one("name") or self.one("display_name")

    @property
    def is_background(self) -> bool:
        """Whether it is the item of id 0 that is no class."""
        return self.number == 0 and BACKGROUND in (self.one("name"), self.one("display_name"))


@dataclass
class DataClasses:
    """The classes of a data set: boxes by (name, id as written or NO_ID), and where each name first stands."""

    boxes: Counter = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Every name: in the data set's own order, then as they come."""
        return list(dict.fromkeys([*self.listed, *(name for name, _ in self.boxes if name)]))


def check(name_or_path: str | os.PathLike, data: str | os.PathLike | None = None) -> CheckReport:
    """Everything that is wrong with a label map, by line; with `data`, also where it and the data disagree.

    `data` is what `odtk inspect` takes: a data set's folder, the output of make-tfrecords, a glob of records. Raises
    LabelMapError where the file cannot be read, DataError where there are no data.
    """
    path = label_maps.find(name_or_path)
    text = prototext.read_text(path, "a label map", LabelMapError)
    items, problems = check_text(text, str(path))
    if data is not None and not any(problem.severity == ERROR for problem in problems):
        problems += _against(label_maps.parse(text, str(path)), items, str(path), classes_of(data))
    return CheckReport(str(path), len([item for item in items if not item.is_background]), problems)


def check_text(text: str, file: str) -> tuple[list[Written], list[Problem]]:
    """The items of a label map's text, and everything that is wrong with it."""
    try:
        items = list(_read_items(text))
    except ValueError:
        items = []
    problems: list[Problem] = []
    if items:

        def add(line: int | None, text: str, severity: str = ERROR) -> None:
            problems.append(Problem(severity, file, line, text))

        for find in (_incomplete, _odd_names, _repeated, _alike, _holes):
            find(items, add)
    # What is wrong in other ways (a misspelled field, a brace too few) the parser explains.
    is_repeating = any(len(item.values.get(name, [])) > 1 for item in items for name in _FIELDS)
    if not any(problem.severity == ERROR for problem in problems):
        problems += _refusal(lambda: label_maps.parse(text, file), file)
    elif not is_repeating:
        problems += _refusal(lambda: prototext.parse(text, StringIntLabelMap(), file, LabelMapError), file)
    return items, sorted(problems, key=lambda problem: problem.line or 0)


def _refusal(parse: Callable, file: str) -> list[Problem]:
    try:
        parse()
    except LabelMapError as error:
        match = re.match(re.escape(file) + r":(\d+)(?::\d+)?: ", str(error))
        text = str(error)[match.end() :] if match else str(error).removeprefix(file).lstrip(": ")
        return [Problem(ERROR, file, int(match[1]) if match else None, text)]
    return []


def make(
    output: str | os.PathLike,
    target: str | os.PathLike | None = None,
    names: Sequence[str] = (),
    order: str = SORTED,
) -> MadeReport:
    """Writes the label map of `names`, or of the classes that `target` has: a text file of names, or data.

    `order` is SORTED or DATA: as the file lists them, the data set lists them, or they come. Raises DataError where
    there are no names, or where one stands twice.
    """
    if target is not None:
        path = Path(target)
        names = _names_in(path) if path.is_file() and path.suffix == ".txt" else classes_of(target).names
    found = [name for name in names if name != BACKGROUND] if order == DATA else sorted(set(names) - {BACKGROUND})
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not found or any(not name.strip() for name in found):
        what = f"{schema.some(list(map(repr, twice)))} stands twice" if twice else "there is no name of a class"
        raise DataError(f"No label map can be made: {what}. Give each class's name once, as the annotations have it.")
    text = label_maps.format(label_maps.of_names(found))
    label_maps.write(label_maps.parse(text, os.fspath(output)), output)
    return MadeReport(os.fspath(output), found)


def show(target: str | os.PathLike) -> LabelMap:
    """The label map of a file, of a shipped map's name, or of what `odtk inspect` takes where it names one."""
    if os.path.isdir(target) or any(sign in os.fspath(target) for sign in "*?"):
        found = open_target(target)
        if found.labels is None:
            raise DataError(
                f"No label map belongs to {target}. Make one: odtk label-map make {target} --output label_map.pbtxt"
            )
        return found.labels
    return label_maps.read(target, allow_gaps=True)


def classes_of(data: str | os.PathLike) -> DataClasses:
    """The classes of what `odtk inspect` takes; images that cannot be read are left out."""
    sources, listed = _sources(os.fspath(data))
    classes = DataClasses(listed=listed)
    for source in sources:
        for look in (source.look(index, decode=False) for index in range(len(source))):
            for name, number, line in zip(look.class_names, look.class_ids, look.lines, strict=True):
                classes.boxes[name, number] += 1
                byte = f", record at byte {look.offset}" if look.offset is not None else ""
                classes.places.setdefault(name, f"{look.file}{f':{line}' if line else byte}")
    if not classes.boxes and not classes.listed:
        raise DataError(f"{data} has no box, and so no class. Name a data set or records with objects.")
    return classes


def _sources(data: str) -> tuple[list[Source], tuple[str, ...]]:
    """The images of a data set or of records, and the classes that it lists."""
    is_folder = os.path.isdir(data)
    sets = record_sets(data) if is_folder else [data]
    if data.endswith(".config") or not sets:
        target = open_target(data)
        return target.sources, tuple(target.class_names)
    # Not as `open_target` does it: a label map beside the records, which may be the one in question, is not read.
    files = [file for file in shards.expand_globs(sets) if file.is_file()]
    if not files:
        raise DataError(f"{data} is neither a data set's folder nor records. Name one, or a glob in quotes.")
    with track("Reading", len(files), "record files") as progress:
        return [find_records(NO_SPLIT, files, progress.advance)[0]], ()


def _names_in(path: Path) -> list[str]:
    lines = prototext.read_text(path, "a list of class names", DataError).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _read_items(text: str) -> Iterator[Written]:
    for entry in syntax.read_tree(text).named("item"):
        for value in entry.values:
            item = Written(syntax.line_of(text, entry.start), defaultdict(list))
            for inner in getattr(value, "entries", []):
                for scalar in inner.values:
                    item.values[inner.name].append(
                        (_plain(text[scalar.start : scalar.end]), syntax.line_of(text, inner.start))
                    )
            yield item


def _plain(written: str) -> str:
    """What a scalar means: its strings without quotes and escapes."""
    strings = [token.text[1:-1] for token in syntax.tokenize(written) if token.kind == "string"]
    try:
        return b"".join(map(text_encoding.CUnescape, strings)).decode("utf-8", "replace") if strings else written
    except ValueError:
        return written


def _incomplete(items: list[Written], add: Callable) -> None:
    for item in items:
        if not item.values.keys() <= {*_FIELDS}:
            continue  # the parser explains a misspelled field
        for name in _FIELDS:
            values = item.values.get(name, [])
            if len(values) > 1:
                found = ", ".join(f"{value} in line {line}" for value, line in values)
                text = f"this item has {len(values)} {name}s ({found}), but is for one class. Make an item of each: "
                add(item.line, text + "item { id: 1 name: 'cat' }.")
        called = repr(item.name) if item.name else "this item"
        if "id" not in item.values:
            add(item.line, f"{called} has no id. Number the classes from 1.")
        elif item.one("id") is not None and item.number is None:
            add(item.line, f"the id of {called} is {item.one('id')}, which is no whole number. Write it so: id: 1")
        if item.name is None and not any(len(item.values.get(name, [])) > 1 for name in _FIELDS[1:]):
            add(item.line, "this item has no name. Add the one that the annotations use: name: 'cat'.")
        if item.number is not None and item.number < 1 and not item.is_background:
            add(item.line, f"the id of {called} is {item.number}. Ids start at 1: number all classes one higher; 0 is "
                f"for an item named '{BACKGROUND}' only.")  # fmt: skip


def _odd_names(items: list[Written], add: Callable) -> None:
    for item in items:
        for name in _FIELDS[1:]:
            for value, line in item.values.get(name, []):
                if value != value.strip():
                    text = f"the {name} {value!r} begins or ends with a space, so that {value.strip()!r} in the data "
                    add(line, f"{text}is another class. Take the space away.")


def _repeated(items: list[Written], add: Callable) -> None:
    seen: dict[tuple, int] = {}
    for item in items:
        if item.is_background:
            continue
        for kind, value in (("id", item.number), ("name", item.name)):
            if value is not None and seen.setdefault((kind, value), item.line) != item.line:
                text = f"the {kind} {value!r} stands in line {seen[kind, value]} already. Each is for one class: "
                add(item.line, text + ("give this item a number of its own." if kind == "id" else "remove one."))


def _alike(items: list[Written], add: Callable) -> None:
    seen: dict[str, Written] = {}
    for item in items:
        if item.name:
            first = seen.setdefault(_folded(item.name), item)
            if first.name != item.name:
                text = (
                    f"the name {item.name!r} differs from {first.name!r} of line {first.line} by case or spaces alone"
                )
                add(item.line, f"{text}: are these two classes? If not, keep the one that the data have.", WARNING)


def _holes(items: list[Written], add: Callable) -> None:
    numbers = {item.number for item in items if item.number is not None and item.number > 0}
    greatest = max(numbers, default=0)
    if greatest > _GREATEST_ID:
        add(None, f"It goes up to id {greatest}. Number the classes from 1 without gaps.")
        return
    missing = sorted(set(range(1, greatest + 1)) - numbers)
    if missing:
        named = schema.some(list(map(str, missing)), _HOLES_NAMED)
        text = f"It goes up to id {greatest}, but has no id {named}: num_classes would count classes that nothing has. "
        add(None, f"{text}Number the {len(numbers)} classes from 1 without gaps.")


def _against(labels: LabelMap, items: list[Written], file: str, data: DataClasses) -> list[Problem]:
    """Where the map and the data disagree."""
    lines = {item.name: item.line for item in items}
    by_folded = {_folded(text): item.name for item in labels.items for text in (item.display_name, item.name) if text}
    problems, used = [], set()
    for name in data.names:
        number, place = labels.id_of(name), data.places.get(name, "the data set's list of classes")
        used |= {number} if number is not None else set()
        if number is None and _folded(name) in by_folded:
            other = by_folded[_folded(name)]
            used.add(labels.id_of(other))
            text = f"the data call it {name!r} ({place}), the map {other!r}: they differ by case or spaces, so "
            problems.append(
                Problem(ERROR, file, lines.get(other), f"{text}its boxes are lost. Write it as the data do.")
            )
        elif number is None:
            text = f"the data have the class {name!r} ({place}), the map has not: its boxes are lost. Add an item."
            problems.append(Problem(ERROR, file, None, text))
    problems += _disagreeing_ids(labels, lines, file, data)
    used |= {number for (name, number) in data.boxes if not name}
    for item in labels.items:
        if item.id not in used:
            text = f"the data have no box of {item.name!r}: it cannot be learned. Remove it, or add images of it."
            problems.append(Problem(WARNING, file, lines.get(item.name), text))
    return problems


def _disagreeing_ids(labels: LabelMap, lines: dict, file: str, data: DataClasses) -> Iterator[Problem]:
    for (name, number), count in data.boxes.items():
        expected = labels.id_of(name) if name else None
        boxes = "1 box" if count == 1 else f"{count} boxes"
        if number == NO_ID:
            continue
        if not name and labels.name_of(number) is None:
            text = f"{boxes} of the data have the id {number} and no name, and the map has no such id. Add an item."
            yield Problem(ERROR, file, None, text)
        elif expected is not None and number != expected:
            place = data.places[name]
            text = f"{name!r} is {expected} here, but {number} in {boxes} of the records (first in {place}). odtk goes "
            yield Problem(
                WARNING, file, lines.get(name), f"{text}by the name; other programs may not: write the records anew."
            )


def _folded(name: str) -> str:
    return "".join(name.casefold().replace("_", " ").split())


def as_rows(labels: LabelMap) -> Iterable[tuple[int, str, str]]:
    """Id, name and display name of every class."""
    return [(item.id, item.name, item.display_name) for item in labels.items]
