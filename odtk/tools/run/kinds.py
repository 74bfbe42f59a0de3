"""The kinds of values in a project file: what may stand there, what it means in Python, and its words as a command.

A value is read from the text that stands in the file, as a command reads its words: so 10:20 is a text and not YAML's
sexagesimal number, and 010 is ten.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odtk import files, resources
from odtk.device_words import parse_devices
from odtk.errors import OdtkError

TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")


class NotOfKind(ValueError):
    """A value of another kind than its key takes."""


class Kind:
    """One kind of values. A written value is a text, a list of texts, or a dict of texts to texts or lists."""

    expected = "a text"

    def in_words(self) -> str:
        """What a value is, for messages."""
        return self.expected

    def read(self, written: Any) -> Any:
        """The value, of which JSON knows the type; NotOfKind if it is none of this kind."""
        return _text(written)

    def resolved(self, value: Any, folder: str) -> Any:
        """The value as a tool takes it: paths, which are relative to `folder` in the file, as they are from here."""
        return value

    def words(self, option: str, value: Any) -> list[str]:
        """The words of a command that give a resolved value to an option."""
        return [option, str(value)]


@dataclass(frozen=True)
class Text(Kind):
    """Any text; `expected` describes it."""

    expected: str = "a text"


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number."""

    least: int | None = None
    most: int | None = None

    def in_words(self) -> str:
        """`a whole number from 0 on`."""
        if self.least is None:
            return "a whole number"
        return f"a whole number from {self.least} " + ("on" if self.most is None else f"to {self.most}")

    def read(self, written: Any) -> int:
        """Without a decimal point; underscores between digits are as in YAML and Python."""
        text = _text(written)
        if not re.fullmatch(r"[+-]?\d+(_\d+)*", text):
            raise NotOfKind
        return _in_range(int(text), self.least, self.most)


@dataclass(frozen=True)
class Number(Kind):
    """A finite number; `above` and `below` are limits that it does not reach."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def in_words(self) -> str:
        """`a number, 0 or more and less than 1`."""
        texts = {"{:g} or more": self.least, "more than {:g}": self.above, "{:g} or less": self.most}
        texts["less than {:g}"] = self.below
        limits = [text.format(limit) for text, limit in texts.items() if limit is not None]
        return "a number, " + " and ".join(limits) if limits else "a number"

    def read(self, written: Any) -> float:
        """Also with an exponent, as 1e-3."""
        try:
            value = float(_text(written))
        except ValueError:
            raise NotOfKind from None
        reaches = (self.above is not None and value <= self.above) or (self.below is not None and value >= self.below)
        if reaches or not math.isfinite(value):
            raise NotOfKind
        return _in_range(value, self.least, self.most)

    def words(self, option: str, value: float) -> list[str]:
        """With as many digits as are needed."""
        return [option, repr(value) if value != int(value) else str(int(value))]


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    names: tuple[str, ...]

    def in_words(self) -> str:
        """`png or numerical`."""
        return "one of " + ", ".join(self.names)

    def read(self, written: Any) -> str:
        """As it is written."""
        if _text(written) not in self.names:
            raise NotOfKind
        return written


@dataclass(frozen=True)
class Flag(Kind):
    """Yes or no; `off` is the option that says no where there is one."""

    off: str = ""
    expected = "true or false"

    def read(self, written: Any) -> bool:
        """Any of YAML's words for them."""
        text = _text(written).lower()
        if text not in (*TRUE, *FALSE):
            raise NotOfKind
        return text in TRUE

    def words(self, option: str, value: bool) -> list[str]:
        """The option alone, or none at all."""
        return [option] if value else [self.off] * bool(self.off)


@dataclass(frozen=True)
class WholeOrAuto(Kind):
    """A whole number from 1 on, or auto."""

    expected = "a whole number from 1 on, or auto"

    def read(self, written: Any) -> int | str:
        """The number, or the word."""
        return "auto" if written == "auto" else Whole(1).read(written)


@dataclass(frozen=True)
class Devices(Kind):
    """What a command computes on, or the `one` device."""

    one: bool = False

    def in_words(self) -> str:
        """`auto, cpu, gpu:0,1 or all`."""
        return "auto, cpu or gpu:0" if self.one else "auto, cpu, gpu:0,1 or all"

    def read(self, written: Any) -> str:
        """As it is written; whether they are there is another question."""
        text = _text(written)
        if text in ("auto", "all"):
            return text
        try:
            _, numbers = parse_devices(text)
        except OdtkError:
            raise NotOfKind from None
        if self.one and len(numbers) > 1:
            raise NotOfKind
        return text


@dataclass(frozen=True)
class Size(Kind):
    """The size of an image: HxW, or one number for both."""

    expected = "HEIGHTxWIDTH in pixels, such as 480x640, or one number for both"

    def read(self, written: Any) -> list[int]:
        """Height and width."""
        match = re.fullmatch(r"([1-9]\d*)(?:[xX]([1-9]\d*))?", _text(written))
        if not match:
            raise NotOfKind
        return [int(match[1]), int(match[2] or match[1])]

    def resolved(self, value: list[int], folder: str) -> tuple[int, int]:
        """As `odtk.configure` takes it."""
        height, width = value
        return height, width

    def words(self, option: str, value: Sequence[int]) -> list[str]:
        """HxW."""
        return [option, "x".join(map(str, value))]


@dataclass(frozen=True)
class Path(Kind):
    """A file, folder, glob or checkpoint prefix.

    It may also be the name of a `shipped` file ("pipelines" or "label_maps"), or one of `names`, which are no paths.
    """

    shipped: str = ""
    names: tuple[str, ...] = ()

    def in_words(self) -> str:
        """`a path or the name of a shipped file`."""
        parts = ["a path", *self.names, "the name of one of odtk's own"] if self.shipped else ["a path", *self.names]
        return ", ".join(parts[:-1]) + " or " + parts[-1] if len(parts) > 1 else parts[0]

    def resolved(self, value: str, folder: str) -> str:
        """Relative to `folder`, unless it is a name."""
        if value in self.names or (self.shipped and self._is_shipped(value) and not os.path.exists(_at(value, folder))):
            return value
        return _at(value, folder)

    def _is_shipped(self, name: str) -> bool:
        suffix = {"pipelines": ".config", "label_maps": ".pbtxt"}[self.shipped]
        return name.removesuffix(suffix) in resources.shipped_files(self.shipped, suffix)


@dataclass(frozen=True)
class PictureSource(Path):
    """Where pictures are: a path, or what is none but means something to `odtk predict`."""

    expected = "a file, folder, glob or address"

    def in_words(self) -> str:
        """See `expected`."""
        return self.expected

    def resolved(self, value: str, folder: str) -> str:
        """Relative to `folder`, unless it is a camera, a video's address, or standard input."""
        return value if value == "-" or value.startswith(("camera:", "video:")) else super().resolved(value, folder)


@dataclass(frozen=True)
class Cache(Kind):
    """Where training keeps decoded images."""

    expected = "memory, disk, or disk:FOLDER"

    def read(self, written: Any) -> str:
        """As it is written; the folder need not exist."""
        text = _text(written)
        if text not in ("memory", "disk") and not re.fullmatch("disk:.+", text):
            raise NotOfKind
        return text

    def resolved(self, value: str, folder: str) -> str:
        """With the folder as it is from here."""
        kind, colon, place = value.partition(":")
        return f"{kind}:{_at(place, folder)}" if colon else value


@dataclass(frozen=True)
class Several(Kind):
    """A list of values of one kind, or one alone."""

    kind: Kind

    def in_words(self) -> str:
        """`a path, or a list of these`."""
        return f"{self.kind.in_words()}, or a list of these"

    def read(self, written: Any) -> list:
        """At least one."""
        values = [self.kind.read(each) for each in (written if isinstance(written, list) else [written])]
        if not values:
            raise NotOfKind
        return values

    def resolved(self, value: list, folder: str) -> list:
        """Each of them."""
        return [self.kind.resolved(each, folder) for each in value]

    def words(self, option: str, value: list) -> list[str]:
        """The option before each."""
        return [word for each in value for word in self.kind.words(option, each)]


@dataclass(frozen=True)
class Assignments(Kind):
    """Fields of a pipeline.config and their values, in protobuf's text format."""

    expected = "fields and their values, such as {train_config.max_number_of_boxes: 50}"

    def read(self, written: Any) -> dict[str, str]:
        """Field to text; a list is one in text format, too."""
        if not isinstance(written, dict):
            raise NotOfKind
        return {path: f"[{', '.join(each)}]" if isinstance(each, list) else each for path, each in written.items()}

    def words(self, option: str, value: dict[str, str]) -> list[str]:
        """FIELD=VALUE, each after the option."""
        return [word for path, text in value.items() for word in (option, f"{path}={text}")]


@dataclass(frozen=True)
class Splits(Kind):
    """The images of splits: a list or a folder of each."""

    names: tuple[str, ...] = ("train", "val", "test")
    expected = "train, val and test, each with a file or folder, such as {train: train.txt, val: val.txt}"

    def read(self, written: Any) -> dict[str, str]:
        """Split to path."""
        if not isinstance(written, dict) or not written.keys() <= set(self.names):
            raise NotOfKind
        return {split: _text(place) for split, place in written.items()}

    def resolved(self, value: dict[str, str], folder: str) -> dict[str, str]:
        """What is not there may be meant from the folder of the data."""
        places = {split: _at(place, folder) for split, place in value.items()}
        return {split: place if files.is_remote(place) or os.path.exists(place) else value[split]
                for split, place in places.items()}  # fmt: skip

    def words(self, option: str, value: dict[str, str]) -> list[str]:
        """SPLIT=PATH, each after the option."""
        return [word for split, place in value.items() for word in (option, f"{split}={place}")]


def _text(written: Any) -> str:
    if not isinstance(written, str):
        raise NotOfKind
    return written


def _in_range(value: Any, least: float | None, most: float | None) -> Any:
    if (least is not None and value < least) or (most is not None and value > most):
        raise NotOfKind
    return value


def _at(path: str, folder: str) -> str:
    """A path of the project file as it is from the current folder; "" stays, as it means none."""
    if not path or files.is_remote(path):
        return path
    found = os.path.join(folder, os.path.expanduser(path))
    return os.path.join(".", found) if found.startswith("-") else found
