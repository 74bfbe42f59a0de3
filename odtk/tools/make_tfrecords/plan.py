"""What is to be written where: the settings of a conversion, and the plan that every data set comes down to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from odtk.annotations.annotated_image import Problem
from odtk.annotations.formats import PETS
from odtk.annotations.frames import Rules
from odtk.errors import DataError
from odtk.records import shards
from odtk.tools.make_tfrecords.report import Finding, Written

_SHARDS = 10


@dataclass(frozen=True)
class Settings:
    """How to convert.

    For the Pet layout alone (it fixes what the others' options choose): `full_body`, `strict_tfod`. For the others
    alone: `test_fraction`, `split` (split to a list or folder), `resplit` (ignore the data set's own splits),
    `allow_duplicates` (across splits), `exif`, `boxes` (of listing.ORDERS), `max_side`, `skip_difficult`, `skip_crowd`,
    `write_label_map` (a path). For COCO alone: `masks`.

    `num_shards` None is ten for each split, or as many as it has images where these are fewer; TFOD's ten for pets.
    `label_map` is a file or a shipped map's name; None the 37 breeds for pets, else a map made from the data.
    `workers` None is one per core. `runner` is Apache Beam's, with `runner_options` as its command line; None
    converts here. Neither changes a byte.
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
        """Raises DataError where an option is set that means nothing for `format`, or two contradict each other."""
        defaults = {each.name: each.default for each in fields(self)}
        for only_for, options in _ONLY_FOR.items():
            wrong = [option for name, option in options.items() if getattr(self, name) != defaults[name]]
            if wrong and (format != only_for if only_for else format == PETS):
                whose = f"the {only_for} format alone" if only_for else "every format but pets"
                raise DataError(
                    f"{' and '.join(wrong)}: for {whose}; this is {format}. Leave it out, or name --format."
                )
        if self.label_map and self.write_label_map:
            raise DataError("--label-map reads a label map and --write-label-map makes one. Choose one of them.")
        if self.runner_options and not self.runner:
            raise DataError(self._one_too_many())
        if self.val_fraction + self.test_fraction >= 1:
            shares = f"--val-fraction {self.val_fraction:g} and --test-fraction {self.test_fraction:g}"
            raise DataError(f"{shares} leave no image to train on. Together they have to be less than 1.")

    def _one_too_many(self) -> str:
        said = " ".join(self.runner_options)
        if self.runner_options[0].startswith("--"):
            return f"{said}: options behind -- are for a --runner, and none is named."
        return f"{said}: nothing is expected behind the two folders. Put a path that has blanks in quotes."

    @property
    def is_for_pets(self) -> bool:
        """Whether an option is set that only the Pet layout has."""
        return self.full_body or self.strict_tfod

    @property
    def rules(self) -> Rules:
        """What of this is about single images."""
        return Rules(self.exif, self.skip_difficult, self.skip_crowd, self.masks, self.boxes, self.max_side)


# Format to the options that are for it alone; None is every format but pets.
_ONLY_FOR = {
    PETS: {"full_body": "--full-body", "strict_tfod": "--strict-tfod"},
    "coco": {"masks": "--masks"},
    None: {
        "test_fraction": "--test-fraction",
        "split": "--split",
        "resplit": "--resplit",
        "allow_duplicates": "--allow-duplicates",
        "write_label_map": "--write-label-map",
        "exif": "--exif",
        "boxes": "--boxes",
        "max_side": "--max-side",
        "skip_difficult": "--skip-difficult",
        "skip_crowd": "--skip-crowd",
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
    """Label map, record files by split, their items in order, the function from an item to its record; what is known.

    `findings` may stay empty: they then come with the records.
    """

    label_map: bytes
    bases: dict[str, str]  # split to the base of its shards' names
    items: dict[str, Sequence[Any]]  # by split
    convert: Callable[[Any], Written]  # picklable
    listed: int
    split_source: str
    findings: list[Finding] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()  # of the data set as a whole
    duplicates: list[dict[str, list[str]]] = field(default_factory=list)
    near_duplicates: int = 0
    has_tfods_shards: bool = False

    def shard_counts(self, asked: int | None) -> dict[str, int]:
        """How many files each split gets: as many as asked for, else ten, but no empty ones unless TFOD has them."""
        if asked is not None or self.has_tfods_shards:
            return dict.fromkeys(self.bases, asked or _SHARDS)
        return {split: min(_SHARDS, max(1, len(self.items[split]))) for split in self.bases}

    def shards(self, counts: Mapping[str, int]) -> list[Shard]:
        """Shard after shard. An item's place in its split, be a record made of it or not, is its shard (TFOD)."""
        return [
            Shard(shards.shard_name(base, index, counts[split]), split, self.items[split][index :: counts[split]])
            for split, base in self.bases.items()
            for index in range(counts[split])
        ]


class Runner(Protocol):
    """Where functions of single items run."""

    def mapped(self, function: Callable, items: Sequence) -> Any:
        """A context whose value is an iterator over `function(item)` of all items, in order."""

    def write(self, folder: Any, shards: list[Shard], convert: Callable, account: Callable) -> None:
        """Writes the shards to `folder`, and calls `account(split, written)` for each item in order."""
