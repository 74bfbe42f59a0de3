"""What a finding's fix is as a button: where it names a command of odtk, or an option of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from odtk.web.data_views.inspections import FORMATS

_OPTION = re.compile(r"odtk make-tfrecords \.\.\. --([a-z-]+) ([\w.]+)")
_BOXES = re.compile(r"\(boxes: (\w+)\)")
_NAMED_FORMATS = re.compile(r"[Cc]hoose the format:? ((?:\w+ or )*\w+)")
_SPLIT_AGAIN = re.compile(r"split again|Split the images again")
_FLAGS = re.compile(r"Option: --(allow-duplicates)\b")
_PETS = "give the format pets"
_EXIF = "set exif to apply"


@dataclass(frozen=True)
class Fix:
    """A button. `inspect` are options to inspect with again, else `address` is a page to go to."""

    label: str
    address: str = ""
    inspect: Mapping[str, str] | None = None


def fixes_of(finding: Mapping[str, Any], path: str, is_records: bool = False) -> list[Fix]:
    """The buttons of a finding of `odtk inspect path --json`; those about records' data need the data itself."""
    found = list(_reading(finding["text"]))
    if not is_records:
        found += _writing(finding["text"], finding["fix"], path)
    if _PETS in finding["fix"]:
        found.append(_inspect_as("pets"))
    return found


def fixes_of_error(text: str) -> list[Fix]:
    """The buttons of an error of `odtk inspect`: formats that it names."""
    named = _NAMED_FORMATS.search(text)
    chosen = named[1].split(" or ") if named else []
    return [_inspect_as(each) for each in chosen if each in FORMATS]


def fixes_of_refusal(text: str, query: Mapping[str, str]) -> list[Fix]:
    """The buttons of an error of `odtk make-tfrecords`: the form as it was, in `query`, with what it asks for."""
    found = {f"boxes as {order}": {"boxes": order} for order in _BOXES.findall(text)}
    found |= {f"--{flag}": {flag: "on"} for flag in _FLAGS.findall(text)}
    return [
        Fix(f"Try again with {said}", f"/data/records?{urlencode({**query, **more})}") for said, more in found.items()
    ]


def _reading(text: str) -> Iterator[Fix]:
    for order in dict.fromkeys(_BOXES.findall(text)):
        yield Fix(f"Inspect with boxes as {order}", inspect={"boxes": order})


def _inspect_as(format: str) -> Fix:
    return Fix(f"Inspect as {format}", inspect={"format": format})


def _writing(text: str, fix: str, path: str) -> Iterator[Fix]:
    """Buttons that open the form for records with an option set."""
    for option, value in _OPTION.findall(fix):
        if value != "ORDER":
            yield _records(path, option, value.rstrip("."))
    if _SPLIT_AGAIN.search(fix):
        yield _records(path, "resplit")
    if _EXIF in text:
        yield _records(path, "exif", "apply")


def _records(path: str, option: str, value: str = "") -> Fix:
    said = f"--{option} {value}".rstrip()
    return Fix(f"Make records with {said}", f"/data/records?{urlencode({'path': path, option: value or 'on'})}")
