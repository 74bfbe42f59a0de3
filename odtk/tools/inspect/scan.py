"""Every image of a target looked at once: its numbers in columns, what was odd counted, a few cases of it kept."""

from __future__ import annotations

import functools
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from odtk import progress, workers
from odtk.tools.inspect.report import Example
from odtk.tools.inspect.shown import Shown, color_ids, color_numbers
from odtk.tools.inspect.sources import NO_ID, Look, Oddity, Source
from odtk.tools.inspect.targets import Target

MAX_EXAMPLES = 10
"""Cases that are kept of each kind of finding."""


@dataclass
class Tally:
    """How often something odd was found, in all and by split, and the first cases."""

    count: int = 0
    is_bad: bool = True  # not left out by a rule
    examples: list[Example] = field(default_factory=list)
    splits: Counter = field(default_factory=Counter)


@dataclass(frozen=True)
class Rows:
    """All usable images and their boxes in columns: a hundred bytes for an image, forty for a box, and no pixels.

    Texts are not kept: what a message or picture needs is read again, for the few that are named or shown.
    """

    target: Target
    # one value for each image
    split: np.ndarray  # int16, in target.splits
    width: np.ndarray  # int32, pixels
    height: np.ndarray
    decoded: np.ndarray  # bool
    fingerprint: np.ndarray  # uint64
    digest: np.ndarray  # uint64
    place: np.ndarray  # int64 [images, 2], source and position in it
    # one for each box
    image: np.ndarray  # int64, its row
    boxes: np.ndarray  # float64 [boxes, 4], yxyx normalised
    class_of: np.ndarray  # int32, in class_names
    class_id: np.ndarray  # int64, as written, or NO_ID
    # of the whole
    class_names: tuple[str, ...]
    oddities: dict[str, Tally]
    unusable: dict[str, Tally]

    @functools.cached_property
    def first_box(self) -> np.ndarray:
        """The position of each image's first box, and of the end: int64 [images + 1]."""
        return np.searchsorted(self.image, np.arange(len(self.split) + 1))

    @property
    def num_boxes(self) -> np.ndarray:
        """Boxes of each image."""
        return np.diff(self.first_box)

    @functools.cached_property
    def _color_numbers(self) -> dict[str, int]:
        return color_numbers(self.target, self.class_names)

    def look(self, row: int) -> Look:
        """An image looked at again, its texts included; its pixels are not decoded."""
        source, index = self.place[row]
        return self.target.sources[source].look(int(index), decode=False)

    def split_of(self, row: int) -> str:
        """The name of an image's split."""
        return self.target.splits[self.split[row]]

    def shown(self, row: int, focus: Sequence[int] | None = None, remark: str = "") -> Shown:
        """An image to be drawn, with its groundtruth; raises UnusableImage where its pixels cannot be read."""
        source, index = self.place[row]
        seen = self.look(row)
        chosen = slice(self.first_box[row], self.first_box[row + 1])
        names = [self.class_names[number] for number in self.class_of[chosen]]
        return Shown(
            name=seen.name,
            split=self.split_of(row),
            image=self.target.sources[source].picture(int(index)),
            boxes=seen.boxes,
            class_ids=color_ids(names, seen.class_ids, self._color_numbers),
            class_names=names,
            marks=seen.marks,
            focus=focus,
            remark=remark,
        )


def scan(target: Target, max_images: int | None = None, num_workers: int | None = None) -> Rows:
    """Looks at all images; of more than `max_images` only so many, evenly spread, are decoded."""
    count = sum(map(len, target.sources))
    look = functools.partial(_look, tuple(target.sources), max_images if max_images is not None else count, count)
    columns = _Columns(target)
    # The first image waits for the workers to start.
    bars = progress.track("Looking at", count, "images", compiles=True)
    with bars as bar, workers.mapped(look, range(count), num_workers) as looks:
        for place, found in looks:
            columns.add(place, found)
            bar.advance()
    for problem in target.problems:
        columns.add_problem(Oddity.of(problem))
    for split, damages in target.damaged.items():
        for damage in damages:
            columns.add_unusable(split, damage)
    return columns.rows()


def _look(sources: Sequence[Source], max_decoded: int, count: int, number: int) -> tuple[tuple[int, int], Look]:
    decode = (number + 1) * max_decoded // count > number * max_decoded // count if max_decoded < count else True
    for position, source in enumerate(sources):
        if number < len(source):
            return (position, number), source.look(number, decode)
        number -= len(source)
    raise IndexError(number)


class _Columns:
    """Collects the looks."""

    def __init__(self, target: Target):
        self.target = target
        self._splits = {name: number for number, name in enumerate(target.splits)}
        self._names_of_ids = {item.id: item.name for item in target.labels.items} if target.labels else {}
        self._numbers = {key: array(code) for key, code in _CODES.items()}
        self._classes: dict[str, int] = {}
        self._oddities: dict[str, Tally] = {}
        self._unusable: dict[str, Tally] = {}

    def add(self, place: tuple[int, int], look: Look) -> None:
        split = self.target.sources[place[0]].split
        if look.unusable:
            self.add_unusable(split, look)
            return
        row, numbers = len(self._numbers["width"]), self._numbers
        for oddity in look.oddities:
            _count(self._oddities, oddity, look, split, row)
        numbers["split"].append(self._splits[split])
        numbers["place"].extend(place)
        for key in ("width", "height", "decoded", "fingerprint", "digest"):
            numbers[key].append(getattr(look, key))
        numbers["image"].extend([row] * len(look.boxes))
        for box in look.boxes:
            numbers["boxes"].extend(box)
        # As in the decoder: numbers count only where a record has no name at all.
        names = look.class_names if any(look.class_names) else map(self._name, look.class_ids)
        numbers["class_of"].extend(self._classes.setdefault(name, len(self._classes)) for name in names)
        numbers["class_id"].extend(look.class_ids)

    def add_problem(self, oddity: Oddity) -> None:
        _count(self._oddities, oddity, Look("", oddity.file), None, None)

    def add_unusable(self, split: str, look: Look) -> None:
        _count(self._unusable, look.unusable, look, split, None)

    def _name(self, class_id: int) -> str:
        if class_id == NO_ID:
            return ""
        return self._names_of_ids.get(class_id, f"id {class_id}")

    def rows(self) -> Rows:
        columns = {key: np.frombuffer(values, values.typecode) for key, values in self._numbers.items() if len(values)}
        columns = {key: columns.get(key, np.array([], code)) for key, code in _CODES.items()}
        columns["decoded"] = columns["decoded"].astype(bool)
        columns["place"], columns["boxes"] = columns["place"].reshape(-1, 2), columns["boxes"].reshape(-1, 4)
        return Rows(
            self.target,
            **columns,
            class_names=tuple(self._classes),
            oddities=self._oddities,
            unusable=self._unusable,
        )


# Column to the type code of `array` and numpy.
_CODES = {
    "split": "h", "width": "i", "height": "i", "decoded": "b", "fingerprint": "Q", "digest": "Q", "place": "q",
    "image": "q", "boxes": "d", "class_of": "i", "class_id": "q",
}  # fmt: skip


def _count(tallies: dict[str, Tally], oddity: Oddity, look: Look, split: str | None, row: int | None) -> None:
    kind = oddity.kind if oddity.is_bad else f"{oddity.kind}, left out"
    tally = tallies.setdefault(kind, Tally(is_bad=oddity.is_bad))
    tally.count += 1
    tally.splits[split] += 1
    if len(tally.examples) < MAX_EXAMPLES:
        rows, boxes = () if row is None else (row,), () if oddity.box is None else (oddity.box,)
        tally.examples.append(
            Example(oddity.text, oddity.file, oddity.line, look.offset, look.name or None, split, rows, boxes)
        )
