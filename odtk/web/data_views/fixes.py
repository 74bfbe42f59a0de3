"""What a finding's fix is as a button: an option of a command of odtk, as `--json` lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_INSPECT, _MAKE = "inspect", "make-tfrecords"
_INSPECTING = {"boxes": "Inspect with boxes as {}", "format": "Inspect as {}"}


@dataclass(frozen=True)
class Fix:
    """A button. `inspect` are options to inspect with again, else `address` is a page to go to."""

    label: str
    address: str = ""
    inspect: Mapping[str, str] | None = None


def fixes_of(options: Iterable[Mapping[str, Any]], path: str, is_records: bool = False) -> list[Fix]:
    """The buttons for options of a finding or an error of `odtk inspect path --json`.

    Options of make-tfrecords need the data themselves, so records have none.
    """
    found = []
    for each in options:
        name, value = _name(each), each["value"]
        if each["command"] == _INSPECT and name in _INSPECTING:
            found.append(Fix(_INSPECTING[name].format(value), inspect={name: value}))
        elif each["command"] == _MAKE and not is_records:
            query = urlencode({"path": path, **_as_fields(each)})
            found.append(Fix(f"Make records with {_said(each)}", f"/data/records?{query}"))
    return found


def fixes_of_refusal(options: Iterable[Mapping[str, Any]], query: Mapping[str, str]) -> list[Fix]:
    """The buttons for options of an error of `odtk make-tfrecords`: its form as it was, in `query`, with one more."""
    return [
        Fix(f"Try again with {_said(each)}", f"/data/records?{urlencode({**query, **_as_fields(each)})}")
        for each in options
        if each["command"] == _MAKE
    ]


def _name(option: Mapping[str, Any]) -> str:
    return option["option"].removeprefix("--")


def _as_fields(option: Mapping[str, Any]) -> dict[str, str]:
    """Of the form for records."""
    return {_name(option): "on" if option["value"] is None else option["value"]}


def _said(option: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (option["option"], option["value"])))
