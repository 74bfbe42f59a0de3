"""What to write where: the settings of a conversion, and the plan that is made for every dataset."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from odtk.annotations.annotated_image import Problem
from odtk.annotations.formats import PETS
from odtk.annotations.frames import Rules
from odtk.errors import DataError
from odtk.records import shards
from odtk.tools.make_tfrecords.report import ImageReport, WrittenRecord

_SHARDS = 10


@dataclass(frozen=True)
class Settings:
    """How to convert.

    Only for the Pet layout, in which most is fixed: `full_body`, `strict_tfod`. Only for the others:
    `test_fraction`, `split` (split to a list or folder), `resplit` (ignore the dataset's own splits),
    `allow_duplicates` (across splits), `exif`, `boxes` (of dataset.ORDERS), `max_side`, `skip_difficult`, `skip_crowd`,
    `write_label_map` (a path). Only for COCO: `masks`.

    `num_shards` None is ten per split, or the number of its images if that is smaller; for pets TFOD's ten. `label_map`
    is a file or a shipped map's name; None is the 37 breeds for pets, otherwise a map made from the data. `workers`
    None is one per core. `runner` is Apache Beam's, with `runner_options` as its command line; None converts on this
    machine. Neither changes the output.
    """

    full_body: bool = False
    strict_tfod: bool = False
    mask_type: str = "png"
    num_shards: int | None = None
    val_fraction: float = 0.3
    test_fraction: float = 0.0
    split: tuple[tuple[str, str], ...] = ()
    resplit: bool = False
    allow_duplicates: bool = False
    seed: int = 42
    label_map: str | None = None
    write_label_map: str | None = None
    exif: str = "auto"
    boxes: str | None = None
    max_side: int | None = None
    skip_difficult: bool = False
    skip_crowd: bool = False
    masks: bool = False
    max_bad_fraction: float = 0.05
    overwrite: bool = False
    workers: int | None = None
    runner: str | None = None
    runner_options: tuple[str, ...] = ()

    def check(self, format: str) -> None:
        """Raises DataError if an option does not apply to `format`, or if two contradict each other."""
        defaults = {each.name: each.default for each in fields(self)}
        for only_for, options in _ONLY_FOR.items():
            wrong = [name for name in options if getattr(self, name) != defaults[name]]
            if wrong and (format != only_for if only_for else format == PETS):
                whose = f"only {only_for}" if only_for else "every other format"
                raise DataError(
                    f"The {format} format does not support {' and '.join(options[name] for name in wrong)}; {whose} "
                    "does. Leave that out, or set the format that the data is in.",
                    argument=wrong[0],
                )
        if self.label_map and self.write_label_map:
            raise DataError(
                f"The label map {self.label_map} is to be read, and one made from the data is to be written to "
                f"{self.write_label_map}. Choose one of the two.",
                argument="write_label_map",
            )
        if self.runner_options and not self.runner:
            raise DataError(self._one_too_many(), argument="runner")
        if self.val_fraction + self.test_fraction >= 1:
            raise DataError(
                f"Fractions of {self.val_fraction:g} for validation and {self.test_fraction:g} for the test leave no "
                "image to train on. Together they have to be less than 1.",
                argument="val_fraction",
            )

    def _one_too_many(self) -> str:
        said = " ".join(self.runner_options)
        if self.runner_options[0].startswith("--"):
            return f"{said} is for an Apache Beam runner, but none is given."
        return f"{said} is not expected after the two folders. Put a path that has spaces in quotes."

    @property
    def chosen(self) -> dict[str, Any]:
        """The options that the records depend on, by their names, without those that have their default."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_OF_RECORDS}
        found |= {"label_map": _from_anywhere(self.label_map)}
        found |= {"split": {name: _from_anywhere(place) for name, place in self.split}}
        defaults = {each.name: each.default for each in fields(self)} | {"split": {}}
        return {name.replace("_", "-"): value for name, value in found.items() if value != defaults[name]}

    @property
    def is_for_pets(self) -> bool:
        """Whether an option is set that is only for the Pet layout."""
        return self.full_body or self.strict_tfod

    @property
    def rules(self) -> Rules:
        """The settings for single images."""
        return Rules(self.exif, self.skip_difficult, self.skip_crowd, self.masks, self.boxes, self.max_side)


# Format to the settings that only apply to it, as text; None is every format except pets.
def _from_anywhere(place: str | None) -> str | None:
    """A path as it is from every folder, if it is one here: a shipped label map has a name."""
    return os.path.abspath(place) if place is not None and os.path.exists(place) else place


_NOT_OF_RECORDS = (
    *("write_label_map", "max_bad_fraction", "overwrite"),
    *("workers", "runner", "runner_options"),
)
_ONLY_FOR = {
    PETS: {"full_body": "boxes of full bodies", "strict_tfod": "records exactly as TFOD writes them"},
    "coco": {"masks": "masks"},
    None: {
        "test_fraction": "a test split",
        "split": "splits by lists or folders",
        "resplit": "another split than its own",
        "allow_duplicates": "near-duplicates in several splits",
        "write_label_map": "a label map made from the data",
        "exif": "a choice about EXIF orientations",
        "boxes": "another order of the boxes' numbers",
        "max_side": "shrinking of large images",
        "skip_difficult": "leaving out difficult objects",
        "skip_crowd": "leaving out crowds",
    },
}


@dataclass(frozen=True)
class Shard:
    """One file to write: its name, its split, and the items to convert, in order."""

    name: str
    split: str
    items: Sequence[Any]


@dataclass
class Plan:
    """Label map, record files by split, their items in order, the function from an item to its record, and reports.

    `images` may be empty: then their reports come with the records.
    """

    label_map: bytes
    bases: dict[str, str]  # split to the base of its shards' names
    items: Mapping[str, Sequence[Any]]  # by split
    convert: Callable[[Any], WrittenRecord]  # picklable
    listed: int
    split_source: str
    images: list[ImageReport] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()  # of the dataset as a whole
    duplicates: list[dict[str, list[str]]] = field(default_factory=list)
    near_duplicates: int = 0
    has_tfods_shards: bool = False

    def shard_counts(self, asked: int | None) -> dict[str, int]:
        """The number of files of each split: as requested, otherwise ten, but no empty ones unless TFOD writes them."""
        if asked is not None or self.has_tfods_shards:
            return dict.fromkeys(self.bases, asked or _SHARDS)
        return {split: min(_SHARDS, max(1, len(self.items[split]))) for split in self.bases}

    def shards(self, counts: Mapping[str, int]) -> list[Shard]:
        """All shards. As in TFOD, an item's index in its split determines its shard, even if it has no record."""
        return [
            Shard(shards.shard_name(base, index, counts[split]), split, self.items[split][index :: counts[split]])
            for split, base in self.bases.items()
            for index in range(counts[split])
        ]


class Runner(Protocol):
    """Runs functions of single items."""

    def mapped(self, function: Callable, items: Sequence) -> Any:
        """A context whose value is an iterator over `function(item)` of all items, in order."""

    def write(self, folder: Any, shards: list[Shard], convert: Callable, account: Callable) -> None:
        """Writes the shards to `folder`, and calls `account(split, written)` for each item in order."""
