"""Groundtruth from the folder of an annotated dataset, in any format that `odtk make-tfrecords` reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from odtk import progress
from odtk.datasets.open_dataset import interpreted_by_headers, open_target
from odtk.datasets.sources import ImageSummary, Source
from odtk.datasets.splits import NO_SPLIT, TEST, VAL
from odtk.errors import DataError
from odtk.evaluation.groundtruth import Groundtruth
from odtk.evaluation.results import ImageResult, Results, image_result
from odtk.prototext.schema import some

_NAMED = 4
_HELD_OUT = (VAL, TEST, NO_SPLIT)


def open_groundtruth(folder: str | os.PathLike, ignored: str = "crowd") -> Groundtruth:
    """The images of the validation split of a dataset, or else its test split, or else all if it has no splits.

    `ignored` is the mark of objects that need not be found: "crowd", "difficult" or "group". Boxes are those that
    records of the folder would have. Raises DataError if it holds no dataset with such a split.
    """
    target = interpreted_by_headers(open_target(folder, read_label_map=False))
    if target.refusal:
        raise DataError(target.refusal, argument="groundtruth")
    splits = target.splits
    split = next((each for each in _HELD_OUT if each in splits), None)
    if split is None:
        raise DataError(
            f"{folder} has only the split {', '.join(splits)}; a detector is measured on images that it was not "
            "trained on. Give a folder with a split for validation or test, or without splits.",
            argument="groundtruth",
        )
    (source,) = (each for each in target.sources if each.split == split)
    named = os.fspath(folder) if split == NO_SPLIT else f"{os.fspath(folder)} ({split})"
    with progress.track("Reading annotations", len(source), "images") as bar:
        summaries = []
        for index in range(len(source)):
            summaries.append(source.summarize(index, decode=False))
            bar.advance()
    return _groundtruth(named, source, summaries, target.class_names, ignored)


def _groundtruth(
    named: str, source: Source, summaries: Sequence[ImageSummary], class_names: Sequence[str], ignored: str
) -> Groundtruth:
    usable = [index for index, summary in enumerate(summaries) if summary.unusable is None]
    found = sorted({name for index in usable for name in summaries[index].class_names})
    names = list(dict.fromkeys([*class_names, *found]))
    if not names:
        raise DataError(f"{named} has no annotated object in {len(summaries)} images.", argument="groundtruth")
    ids = {name: number for number, name in enumerate(names, 1)}
    images = [_image(summaries[index], ids, ignored) for index in usable]
    return Groundtruth(
        name=named,
        results=Results(images, {number: name for name, number in ids.items()}, _pixel_reader(source, usable)),
        notes=list(_unusable(named, summaries)),
    )


def _image(summary: ImageSummary, ids: dict[str, int], ignored: str) -> ImageResult:
    size = np.array([summary.height, summary.width])
    return image_result(
        summary.name,
        (summary.height, summary.width),
        np.reshape(np.array(summary.boxes, np.float64), [-1, 4]) * np.tile(size, 2),
        [ids[name] for name in summary.class_names],
        [],
        [],
        [],
        areas=[area or 0.0 for area in summary.areas] or None,
        ignored=[ignored in mark for mark in summary.marks],
        crowds=[ignored in mark and ignored != "difficult" for mark in summary.marks],
    )


def _pixel_reader(source: Source, usable: Sequence[int]) -> Callable[[int], np.ndarray]:
    return lambda index: np.asarray(source.picture(usable[index]))


def _unusable(named: str, summaries: Sequence[ImageSummary]) -> Iterator[str]:
    reasons = [str(summary.unusable) for summary in summaries if summary.unusable is not None]
    if reasons:
        yield f"{len(reasons)} of the {len(summaries)} images of {named} cannot be used: {some(reasons, _NAMED)}"
