"""The groundtruth of single pictures, found by their file names in a dataset or records."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.datasets.sources import ImageSummary
from odtk.errors import DataError


@dataclass(frozen=True)
class Groundtruth:
    """The boxes of one picture."""

    boxes: np.ndarray  # [n, 4] yxyx, normalized
    class_ids: tuple[int, ...]  # of the model, from 1
    names: tuple[str, ...]
    others: tuple[str, ...] = ()  # the classes of boxes that are left out, as the model does not have them


def find_groundtruth(
    place: str | os.PathLike, pictures: Iterable[str], names: Mapping[int, str]
) -> dict[str, Groundtruth]:
    """The groundtruth of those pictures (their names, maybe with folders) that `place` has, by name without suffix.

    `place`: what odtk.datasets.open_dataset opens: the folder of a dataset, records, or a pipeline.config. `names` are
    those of the model's classes, boxes of others are left out; empty if they have none. Raises DataError if it has
    none of the pictures, or if two of them have the same name.
    """
    wanted = _by_name(pictures)
    target, found = interpreted_by_headers(open_target(place)), {}
    for source in target.sources:
        for index in range(len(source)):
            if len(found) == len(wanted):
                return found
            summary = source.summarize(index, decode=False)
            name = wanted.get(PurePosixPath(summary.name).stem) if summary.unusable is None else None
            if name is not None:
                found[name] = _groundtruth(summary, names)
    if not found:
        first, *others = wanted.values()
        raise DataError(
            f"{place} has no annotations of {first}{' nor of the other pictures' if others else ''}; they are looked "
            "for by file names. Give the dataset or the records that the pictures are from.",
            argument="groundtruth",
        )
    return found


def _by_name(pictures: Iterable[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for name in pictures:
        other = wanted.setdefault(PurePosixPath(name).stem, name)
        if other != name:
            raise DataError(
                f"{other} and {name} have the same name, by which their annotations would be found. Explain them one "
                "after the other.",
                argument="groundtruth",
            )
    return wanted


def _groundtruth(summary: ImageSummary, names: Mapping[int, str]) -> Groundtruth:
    ids = {name: number for number, name in names.items()}
    named = [
        (box, ids.get(name, number), name or names.get(number, ""))
        for box, name, number in zip(summary.boxes, summary.class_names, summary.class_ids, strict=True)
    ]
    kept = [each for each in named if (each[1] in names if names else each[1] > 0)]
    others = dict.fromkeys(each[2] or f"class {each[1]}" for each in named if each not in kept)
    boxes = np.array([box for box, _, _ in kept], np.float32).reshape(-1, 4)
    return Groundtruth(boxes, tuple(number for _, number, _ in kept), tuple(name for _, _, name in kept), tuple(others))
