"""Records of a dataset: the form's values, the command that makes them, what came of it, and its project section."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odtk import resources
from odtk.errors import OdtkError
from odtk.web.background import DONE, Run
from odtk.web.commands import Command, command
from odtk.web.studio import Studio
from odtk.web.workspace import OutsideError, Workspace, valid_name

FLAGS = {
    "resplit": "Split again, even if the dataset has splits of its own",
    "skip-crowd": "Leave out objects that are marked as a crowd",
    "skip-difficult": "Leave out objects that are marked as difficult",
    "allow-duplicates": "Allow near-duplicates of an image in a different split",
    "masks": "Write the masks of COCO annotations",
    "full-body": "For pets: boxes of whole bodies, with masks, instead of faces",
    "overwrite": "Replace earlier records of this name",
}
_CHOICES = ("format", "boxes", "exif")
_TEXTS = ("label-map", "seed", "max-side", "num-shards", "max-bad-fraction")


def _keys() -> Mapping[str, Any]:
    """The keys of the project file's section; imported when needed, as the studio has to start in a moment."""
    from odtk.tools.run.keys import SECTIONS

    return SECTIONS["make-tfrecords"].keys


@dataclass(frozen=True)
class RecordForm:
    """The values as they stand in the form, as texts; `flags` are those that are set."""

    path: str
    name: str
    train: str = "70"
    val: str = "30"
    test: str = "0"
    options: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    def option(self, name: str) -> str:
        """One of the other options; empty for its default."""
        return self.options.get(name, "")


def form_of(values: Mapping[str, Any], path: str, default_name: str) -> RecordForm:
    """The form as it was filled in, or as a query sets some of it."""
    texts = {key: str(value).strip() for key, value in values.items() if isinstance(value, str)}
    shares = {key: texts[key] for key in ("train", "val", "test") if texts.get(key)}
    options = {key: texts[key] for key in (*_TEXTS, *_CHOICES) if texts.get(key)}
    flags = frozenset(key for key in FLAGS if key in texts)
    return RecordForm(path, texts.get("name", "") or default_name, **shares, options=options, flags=flags)


def problems_of(form: RecordForm, workspace: Workspace) -> dict[str, str]:
    """What is wrong with the form, by field; "shares" for the splits."""
    found = {}
    try:
        valid_name(form.name, "Records")
    except OdtkError as error:
        found["name"] = str(error)
    try:
        _fractions(form)
    except ValueError as error:
        found["shares"] = str(error)
    for name, value in form.options.items():
        kind = _keys()[name].kind
        try:
            kind.read(value)
        except (ValueError, OdtkError):  # NotOfKind is a ValueError
            found[name] = f"{value!r} is not {kind.in_words()}."
    try:
        _label_map(form, workspace)
    except OdtkError as error:
        found["label-map"] = str(error)
    return found


def _fractions(form: RecordForm) -> tuple[float, float]:
    shares = {}
    for name in ("train", "val", "test"):
        text = getattr(form, name)
        if not text.isdecimal() or int(text) > 100:
            raise ValueError(f"The share of {name} is {text!r}; whole numbers from 0 to 100 are expected.")
        shares[name] = int(text)
    total = sum(shares.values())
    if total != 100:
        raise ValueError(f"The shares add up to {total} %, not to 100 %.")
    if not shares["train"]:
        raise ValueError("Nothing is left for training. Give train a share.")
    return shares["val"] / 100, shares["test"] / 100


def _label_map(form: RecordForm, workspace: Workspace) -> str:
    """The label map as a command takes it: the name of a shipped one, or a path that may be read."""
    text = form.option("label-map")
    if not text or text in label_maps():
        return text
    path = workspace.inside(text)
    if not path.is_file():
        raise OdtkError(f"There is no label map {text}. Name a file, or one that odtk ships.")
    return workspace.shown(path)


def choices() -> dict[str, tuple[str, ...]]:
    """What the fields with a few values may be; empty for the default."""
    return {name: ("", *_keys()[name].kind.names) for name in _CHOICES}


def label_maps() -> list[str]:
    """The names of the label maps that odtk ships."""
    return list(resources.shipped_files("label_maps", ".pbtxt"))


def records_command(form: RecordForm, workspace: Workspace, data_word: str) -> Command:
    """The command of a form without problems; `data_word` names the data in it."""
    val, test = _fractions(form)
    options = {**form.options, "label-map": _label_map(form, workspace)}
    words = [word for key, value in options.items() if value for word in (f"--{key}", value)]
    flags = [f"--{name}" for name in FLAGS if name in form.flags]
    shares = ["--val-fraction", f"{val:g}", *(["--test-fraction", f"{test:g}"] if test else [])]
    return command("make-tfrecords", data_word, f"records/{form.name}", *shares, *words, *flags, "--json")


def key_of(records: str) -> str:
    """Under which the command runs that makes `records/NAME`."""
    return f"records:{records}"


def section_of(studio: Studio, records_path: str | os.PathLike) -> dict[str, Any] | None:
    """The make-tfrecords section of a project file for records that this studio made: data-dir and the options.

    data-dir is as a command in the workspace names it. None for records that were made elsewhere.
    """
    try:
        shown = studio.workspace.shown(studio.workspace.inside(records_path))
    except OutsideError:
        return None
    found = made_records(studio, shown)
    return None if found is None or found.run.state != DONE else section_of_words(found.run.command.words)


def section_of_words(words: Iterable[str]) -> dict[str, Any] | None:
    """The same, of the words of a command; None if one of them is not known."""
    from odtk.tools.run.kinds import Flag

    left, found, arguments, keys = list(words)[1:], {}, [], _keys()
    while left:
        word = left.pop(0)
        name = word.removeprefix("--")
        if not word.startswith("--"):
            arguments.append(word)
        elif name in keys and isinstance(keys[name].kind, Flag):
            found[name] = True
        elif name in keys and left:
            found[name] = keys[name].kind.read(left.pop(0))
        elif name not in ("json", "overwrite"):
            return None
    return {"data-dir": arguments[0], **found} if len(arguments) == 2 else None


def query_of(words: Command) -> dict[str, str]:
    """What fills in the form as a command has it, for another try."""
    section = section_of_words(words.words)
    if section is None:
        return {}
    val, test = (round(100 * section.pop(f"{name}-fraction", 0)) for name in ("val", "test"))
    shares = {"train": 100 - val - test, "val": val, "test": test}
    path, name = section.pop("data-dir"), words.words[2].removeprefix("records/")
    options = {key: "on" if value is True else str(value) for key, value in section.items()}
    return {"path": path, "name": name, **{key: str(value) for key, value in shares.items()}, **options}


@dataclass(frozen=True)
class Made:
    """Records that a command makes or made."""

    records: str  # folder
    run: Run

    @property
    def report(self) -> dict[str, Any] | None:
        """What the command printed; None if it did not end well."""
        found = self.run.outcome.document if self.run.outcome else None
        return found if isinstance(found, dict) and self.run.state == DONE else None

    @property
    def error(self) -> str | None:
        """Why there are no records."""
        if self.run.outcome is None:
            return None if self.run.ended is None else f"Making the records was {self.run.state}."
        return self.run.outcome.error

    @property
    def error_options(self) -> Sequence[Mapping[str, Any]]:
        """Options that would help after an error."""
        return self.run.outcome.options if self.run.outcome else ()

    def image_rows(self) -> list[tuple[str, int]]:
        """What became of the images: what, and how many."""
        report = self.report or {}
        rows = [("listed", report["listed"]), ("written", report["written"])]
        rows += [("written without objects", sum(each["negatives"] for each in report["splits"].values()))]
        for title, found in (("repaired", "repaired"), ("skipped", "skipped"), ("reported", "problems")):
            counts = Counter(problem["kind"] for problem in report[found])
            rows += [(f"{title}: {kind}", count) for kind, count in counts.items()]
        rows += [("near-duplicates of another image", report["near_duplicates"])]
        rows += [("near-duplicates in several splits", len(report["duplicates"]))]
        rows += [("objects left out, as asked", report["left_out_objects"])]
        rows += [("shrunk", report["shrunk_images"])]
        return rows[:2] + [row for row in rows[2:] if row[1]]

    def class_rows(self) -> list[tuple[str, list[int]]]:
        """Classes, and images and boxes of each split; the sum last."""
        splits = list((self.report or {})["splits"].values())
        names = sorted({name for split in splits for name in split["classes"]}, key=str.lower)
        none = {"images": 0, "boxes": 0}
        found = [(name, [split["classes"].get(name, none) for split in splits]) for name in names]
        found += [("all", splits)]
        return [(name, [each[what] for each in counts for what in ("images", "boxes")]) for name, counts in found]

    def problem_lists(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """What was skipped, repaired and reported, with the files."""
        report = self.report or {}
        lists = {"Skipped": report["skipped"], "Repaired": report["repaired"], "Reported": report["problems"]}
        return [(title, found) for title, found in lists.items() if found]


def made_records(studio: Studio, records: str) -> Made | None:
    """What this studio knows of records; None if it did not make them."""
    run = studio.background.find(key_of(records))
    return None if run is None else Made(records, run)
