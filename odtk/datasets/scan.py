"""Reads every image of a target once: its numbers into columns, problems counted, with a few examples of each."""

from __future__ import annotations

import functools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from odtk import parallel, progress
from odtk.annotations.annotated_image import Problem
from odtk.annotations.conventions import Evidence
from odtk.annotations.image_files import ImageInfo
from odtk.datasets.annotated_picture import AnnotatedPicture, color_ids, color_numbers
from odtk.datasets.open_dataset import Target
from odtk.datasets.sources import NO_ID, BoxProblem, ImageSummary, Source
from odtk.findings import Example

MAX_EXAMPLES = 10
"""Examples that are kept for each kind of finding."""


@dataclass
class Tally:
    """How often a kind of problem was found, in total and by split, and the first examples."""

    count: int = 0
    is_bad: bool = True  # bad data, not excluded by a rule
    examples: list[Example] = field(default_factory=list)
    splits: Counter = field(default_factory=Counter)


@dataclass(frozen=True)
class Rows:
    """All usable images and their boxes in columns: a hundred bytes per image, forty per box, no pixels.

    Texts are not kept: they are read again for the few images that are named or shown.
    """

    target: Target
    # one value per image
    split: np.ndarray  # int16, in target.splits
    width: np.ndarray  # int32, pixels
    height: np.ndarray
    decoded: np.ndarray  # bool
    turned: np.ndarray  # bool, see ImageSummary
    fingerprint: np.ndarray  # uint64
    digest: np.ndarray  # uint64
    place: np.ndarray  # int64 [images, 2], source and position in it
    # one value per box
    image: np.ndarray  # int64, its row
    boxes: np.ndarray  # float64 [boxes, 4], yxyx normalized
    class_of: np.ndarray  # int32, in class_names
    class_id: np.ndarray  # int64, as written, or NO_ID
    mark_of: np.ndarray  # int16, in mark_names
    # of the whole
    class_names: tuple[str, ...]
    mark_names: tuple[str, ...]  # "", "difficult", "crowd", ...
    problems: dict[str, Tally]  # by kind
    unusable: dict[str, Tally]

    @functools.cached_property
    def first_box(self) -> np.ndarray:
        """The index of each image's first box, and of the end: int64 [images + 1]."""
        return np.searchsorted(self.image, np.arange(len(self.split) + 1))

    @property
    def num_boxes(self) -> np.ndarray:
        """The number of boxes of each image."""
        return np.diff(self.first_box)

    @functools.cached_property
    def color_numbers(self) -> dict[str, int]:
        """What determines each class's color, see `annotated_picture.color_numbers`."""
        return color_numbers(self.target, self.class_names)

    def summarize(self, row: int) -> ImageSummary:
        """Reads an image again, including its texts; its pixels are not decoded."""
        source, index = self.place[row]
        return self.target.sources[source].summarize(int(index), decode=False)

    def split_of(self, row: int) -> str:
        """The name of an image's split."""
        return self.target.splits[self.split[row]]

    def shown(self, row: int, focus: Sequence[int] | None = None, remark: str = "") -> AnnotatedPicture:
        """An image to be drawn, with its groundtruth; raises UnusableImage if its pixels cannot be read."""
        source, index = self.place[row]
        seen = self.summarize(row)
        chosen = slice(self.first_box[row], self.first_box[row + 1])
        names = [self.class_names[number] for number in self.class_of[chosen]]
        return AnnotatedPicture(
            name=seen.name,
            split=self.split_of(row),
            image=self.target.sources[source].picture(int(index)),
            boxes=seen.boxes,
            class_ids=color_ids(names, seen.class_ids, self.color_numbers),
            class_names=names,
            marks=seen.marks,
            focus=focus,
            remark=remark,
        )


def scan(target: Target, max_images: int | None = None, num_workers: int | None = None) -> Rows:
    """Reads all images; at most `max_images` of them, evenly spread, are decoded.

    If all images together show how annotations are to be interpreted, the annotations are read again, but no images.
    """
    count = sum(map(len, target.sources))
    most = max_images if max_images is not None else count
    columns, evidence = _Columns(target), Evidence()
    seen: dict[int, tuple[ImageInfo, int]] = {}
    unread: dict[int, ImageSummary] = {}
    for number, (place, found) in enumerate(
        _summaries(target, functools.partial(_summarize, max_decoded=most), num_workers)
    ):
        columns.add(place, found)
        if found.facts is not None and found.seen is not None:
            evidence.add(found.facts)
            seen[number] = found.seen, found.digest
        elif found.unusable:
            unread[number] = found
    interpreted = target.interpreted(evidence)
    if interpreted.sources != target.sources:
        columns = _Columns(interpreted)
        again = functools.partial(_summarize, max_decoded=most, seen=seen, unread=unread)
        for place, found in _summaries(interpreted, again, num_workers):
            columns.add(place, found)
    columns.target = interpreted
    for problem in interpreted.problems:
        columns.add_problem(problem)
    for split, damages in target.damaged.items():
        for damage in damages:
            columns.add_unusable(split, damage)
    return columns.rows()


def _summaries(
    target: Target, summarize: Callable, num_workers: int | None
) -> Iterator[tuple[tuple[int, int], ImageSummary]]:
    count = sum(map(len, target.sources))
    summarize = functools.partial(summarize, tuple(target.sources), count)
    # The workers have to start before the first image.
    with (
        progress.track("Looking at", count, "images", compiles=True) as bar,
        parallel.mapped(summarize, range(count), num_workers) as summaries,
    ):
        for summary in summaries:
            yield summary
            bar.advance()


def _summarize(
    sources: Sequence[Source],
    count: int,
    number: int,
    max_decoded: int,
    seen: Mapping[int, tuple[ImageInfo, int]] | None = None,
    unread: Mapping[int, ImageSummary] | None = None,
) -> tuple[tuple[int, int], ImageSummary]:
    """An image, as (source, index in it), and its summary; with what was `seen` of it earlier, if it was."""
    decode = (number + 1) * max_decoded // count > number * max_decoded // count if max_decoded < count else True
    place = number
    for position, source in enumerate(sources):
        if place < len(source):
            if unread and number in unread:
                return (position, place), unread[number]
            again = (seen[number],) if seen and number in seen else ()
            return (position, place), source.summarize(place, decode, *again)
        place -= len(source)
    raise IndexError(number)


class _Columns:
    """Collects the summaries."""

    def __init__(self, target: Target):
        self.target = target
        self._splits = {name: number for number, name in enumerate(target.splits)}
        self._names_of_ids = {item.id: item.name for item in target.labels.items} if target.labels else {}
        self._numbers: dict[str, array] = {key: array(code) for key, code in _CODES.items()}
        self._classes: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._problems: dict[str, Tally] = {}
        self._unusable: dict[str, Tally] = {}

    def add(self, place: tuple[int, int], summary: ImageSummary) -> None:
        split = self.target.sources[place[0]].split
        if summary.unusable:
            self.add_unusable(split, summary)
            return
        row, numbers = len(self._numbers["width"]), self._numbers
        for problem in summary.problems:
            _count(self._problems, problem, summary, split, row)
        numbers["split"].append(self._splits[split])
        numbers["place"].extend(place)
        for key in ("width", "height", "decoded", "turned", "fingerprint", "digest"):
            numbers[key].append(getattr(summary, key))
        numbers["image"].extend([row] * len(summary.boxes))
        for box in summary.boxes:
            numbers["boxes"].extend(box)
        # As in the decoder: ids are used only if a record has no names at all.
        names = summary.class_names if any(summary.class_names) else map(self._name, summary.class_ids)
        numbers["class_of"].extend(self._classes.setdefault(name, len(self._classes)) for name in names)
        numbers["class_id"].extend(summary.class_ids)
        marks = summary.marks or ("",) * len(summary.boxes)
        numbers["mark_of"].extend(self._marks.setdefault(mark, len(self._marks)) for mark in marks)

    def add_problem(self, problem: Problem) -> None:
        _count(self._problems, problem, ImageSummary("", problem.file), None, None)

    def add_unusable(self, split: str, summary: ImageSummary) -> None:
        assert summary.unusable is not None
        _count(self._unusable, summary.unusable, summary, split, None, summary.is_bad)

    def _name(self, class_id: int) -> str:
        if class_id == NO_ID:
            return ""
        return self._names_of_ids.get(class_id, f"id {class_id}")

    def rows(self) -> Rows:
        columns = {key: np.frombuffer(values, values.typecode) for key, values in self._numbers.items() if len(values)}
        columns = {key: columns.get(key, np.array([], code)) for key, code in _CODES.items()}
        columns |= {key: columns[key].astype(bool) for key in ("decoded", "turned")}
        columns["place"], columns["boxes"] = columns["place"].reshape(-1, 2), columns["boxes"].reshape(-1, 4)
        return Rows(
            self.target,
            **columns,
            class_names=tuple(self._classes),
            mark_names=tuple(self._marks),
            problems=self._problems,
            unusable=self._unusable,
        )


# Column to the type code of `array` and numpy.
_CODES = {
    "split": "h", "width": "i", "height": "i", "decoded": "b", "turned": "b", "fingerprint": "Q", "digest": "Q",
    "place": "q", "image": "q", "boxes": "d", "class_of": "i", "class_id": "q", "mark_of": "h",
}  # fmt: skip


def _count(
    tallies: dict[str, Tally],
    problem: Problem,
    summary: ImageSummary,
    split: str | None,
    row: int | None,
    is_bad: bool = True,
) -> None:
    kind = problem.kind if is_bad else f"{problem.kind}, left out"
    tally = tallies.setdefault(kind, Tally(is_bad=is_bad))
    tally.count += 1
    tally.splits[split] += 1
    if len(tally.examples) < MAX_EXAMPLES:
        rows = () if row is None else (row,)
        boxes = (problem.box,) if isinstance(problem, BoxProblem) else ()
        tally.examples.append(
            Example(problem.text, problem.file, problem.line, summary.offset, summary.name or None, split, rows, boxes)
        )
