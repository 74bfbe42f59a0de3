"""Compares the label map of a checkpoint, which defines the meaning of its outputs, with the one in a config."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from odtk.errors import LabelMapError
from odtk.exporting.label_maps import find_trained_map, read_map
from odtk.label_map import Item, LabelMap, folded
from odtk.prototext.schema import some

_NAMED = 4


@dataclass(frozen=True)
class Comparison:
    """How a config's label map differs from that of a checkpoint: `conflicts` are ids with different classes."""

    trained: str
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # sentences: other display names, classes in only one of them


def compare(checkpoint: str | os.PathLike, name_or_path: str) -> Comparison | None:
    """Compares the label maps of a config and a checkpoint; None if one of them cannot be read."""
    trained = find_trained_map(checkpoint)
    if trained is None or not name_or_path:
        return None
    try:
        (_, before), (given, now) = read_map(trained), read_map(name_or_path)
    except LabelMapError:
        return None
    return Comparison(trained, list(_conflicts(before, now)), list(_notes(before, now, given, trained)))


def lacks_trained_classes(checkpoint: str | os.PathLike, name_or_path: str) -> bool:
    """Whether a config's label map lacks an id that the map next to a checkpoint has; false if one cannot be read."""
    trained = find_trained_map(checkpoint)
    if trained is None:
        return False
    try:
        (_, before), (_, now) = read_map(trained), read_map(name_or_path)
    except LabelMapError:
        return False
    return not {item.id for item in before.items} <= {item.id for item in now.items}


def require_trained_classes(
    checkpoint: str | os.PathLike, name_or_path: str, config_field: str, config_file: str | os.PathLike
) -> list[str]:
    """The harmless differences, as sentences, between a config's label map and the one of the training run.

    `config_field` is the field with the label map. Raises LabelMapError, with the first ids, if the outputs of the
    checkpoint would be interpreted as other classes than those it was trained for.
    """
    found = compare(checkpoint, name_or_path)
    if found is None:
        return []
    if found.conflicts:
        command = ["odtk", "configure", config_file, "--output", config_file, "--label-map", found.trained]
        raise LabelMapError(
            f"{config_field} of {config_file}, {name_or_path}, has other classes than {found.trained}, the label map "
            f"of the checkpoint {checkpoint}: {some(found.conflicts, _NAMED)}. Its outputs would be read as the wrong "
            f"classes. Use the label map of the training run: {shlex.join(map(str, command))}; or, for other "
            "classes, train in another model dir. If the classes are the same and only have new names, replace "
            f"{found.trained} by the new label map."
        )
    return found.notes


def _conflicts(before: LabelMap, now: LabelMap) -> Iterator[str]:
    old = {item.id: item for item in before.items}
    new = {item.id: item for item in now.items}
    for number, item in new.items():
        if number in old and not _names(old[number]) & _names(item):
            yield f"id {number} is {old[number].name!r} there and {item.name!r} here"
            continue
        for kind in ("name", "shown"):
            name = getattr(item, kind)
            other = before.id_of(name)
            is_own = other in (None, number) or (number in old and name in _texts(old[number]))
            if not is_own and not (other in new and getattr(new[other], kind) == name):
                yield f"{name!r} is id {other} there and {number} here"
                break


def _notes(before: LabelMap, now: LabelMap, given: str, trained: str) -> Iterator[str]:
    old, new = ({item.id: item for item in labels.items} for labels in (before, now))
    added = [f"{number} ({item.name!r})" for number, item in new.items() if number not in old]
    if added:
        yield f"{given} has classes that {trained} lacks, so they were not trained: {some(added, _NAMED)}."
    gone = [f"{number} ({item.name!r})" for number, item in old.items() if number not in new]
    if gone:
        yield f"{given} lacks classes that were trained according to {trained}; they are ignored: {some(gone, _NAMED)}."
    shown = [f"id {number} is {old[number].shown!r} in {trained} and {item.shown!r} in {given}"
             for number, item in new.items() if number in old and _texts(old[number]) != _texts(item)]  # fmt: skip
    if shown:
        yield f"Some names changed since training: {some(shown, _NAMED)}."


def _texts(item: Item) -> set[str]:
    return {item.name, item.shown}


def _names(item: Item) -> set[str]:
    return {folded(text) for text in _texts(item)}
