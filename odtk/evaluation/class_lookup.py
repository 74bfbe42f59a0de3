"""Which classes of a model are which of the groundtruth: by their names, or else by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from odtk.errors import DataError
from odtk.label_map import folded
from odtk.prototext.schema import some

_NAMED = 6


@dataclass(frozen=True)
class ClassLookup:
    """A model's class ids to the groundtruth's."""

    ids: Mapping[int, int]  # others stay
    names: Mapping[int, str]  # of the groundtruth's classes, and of those that only the model has
    notes: Sequence[str] = ()

    def of(self, classes: np.ndarray) -> np.ndarray:
        """The groundtruth's ids of a model's classes, int [N]."""
        return np.array([self.ids.get(number, number) for number in classes.tolist()], int)


def look_up_classes(
    own: Mapping[int, str] | None,
    truth: Mapping[int, str],
    model: str,
    groundtruth: str,
    used: Iterable[int] = (),
    numbering: Mapping[int | str, int] | None = None,
) -> ClassLookup:
    """Compares the names of a model's classes, None if it has none, with those of the groundtruth.

    A class that only the model has gets an id behind the groundtruth's, which no other class has. `model` and
    `groundtruth` are what they are called. Where there are no names, `used` are the ids that occur, and `numbering` is
    what those of the groundtruth's file are in `truth`; None: the same. Raises DataError if no class meets.
    """
    if not own:
        return _look_up_ids(
            sorted(set(used)), truth, numbering or {number: number for number in truth}, model, groundtruth
        )
    exact = {name: number for number, name in truth.items()}
    loose = {folded(name): number for number, name in truth.items()}
    ids = {number: exact.get(name, loose.get(folded(name))) for number, name in own.items()}
    if all(found is None for found in ids.values()):
        raise DataError(
            f"None of the classes of {model} ({_some(own.values())}) is a class of {groundtruth} "
            f"({_some(truth.values())}). Give the label map that names the model's classes as the groundtruth does.",
            argument="label_map",
        )
    strange = {number: own[number] for number, found in ids.items() if found is None}
    note = f"{len(strange)} classes of {model} are none of {groundtruth}: {_some(strange.values())}."
    return _with_strange({number: found for number, found in ids.items() if found is not None}, truth, strange, note)


def _look_up_ids(
    used: Sequence[int], truth: Mapping[int, str], numbering: Mapping[int | str, int], model: str, groundtruth: str
) -> ClassLookup:
    known = {number: numbering[number] for number in used if number in numbering}
    strange = {number: f"category {number}" for number in used if number not in numbering}
    if strange and not known:
        listed = [f"{number} {truth[place]}" for number, place in numbering.items()]
        raise DataError(
            f"None of the category ids of {model} ({_some(map(str, used))}) is one of {groundtruth} ({_some(listed)}). "
            "Give the label map of the model's classes.",
            argument="label_map",
        )
    note = f"{len(strange)} category ids of {model} are none of {groundtruth}: {_some(map(str, strange))}."
    return _with_strange(known, truth, strange, note)


def _with_strange(
    known: Mapping[int, int], truth: Mapping[int, str], strange: Mapping[int, str], note: str
) -> ClassLookup:
    """The lookup with classes that only the model has, by its ids."""
    added = dict(zip(strange, range(max(truth) + 1, max(truth) + 1 + len(strange)), strict=True))
    names = {**truth, **{added[number]: name for number, name in strange.items()}}
    return ClassLookup({**known, **added}, names, [note] if strange else [])


def _some(names: Iterable[str]) -> str:
    return some(list(names), _NAMED)
