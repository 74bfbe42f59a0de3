"""Assigns images to splits: by given lists or folders, by the dataset's own splits, or by fractions."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from odtk import files
from odtk.annotations.annotated_image import Problem
from odtk.annotations.dataset import Dataset, Listed
from odtk.datasets import splits
from odtk.errors import DataError, Option
from odtk.prototext import schema
from odtk.tools.make_tfrecords.plan import Settings

_OWN = "the dataset's own (resplit ignores them)"
_NAMED_IN_AN_ERROR = 5


def choose_source(dataset: Dataset, settings: Settings) -> tuple[str, list[str | None] | None]:
    """What determines the splits, as text, and the split of each listed image (None: in no split).

    Instead of a list None, if fractions determine them. Raises DataError if a given list has unknown images.
    """
    if settings.split:
        given = " and ".join(f"{split} by {place}" for split, place in settings.split)
        return f"given: {given}", _given(dataset, settings.split)
    own = Counter(entry.split for entry in dataset.listed if entry.split)
    if len(own) < 2 or "train" not in own or settings.resplit:
        fractions = "".join(
            f"{share:g} for {split}, " for split, share in _shares(settings).items() if split != "train"
        )
        return f"by class, {fractions}seed {settings.seed}", None
    if "val" not in own:
        renamed = ["val" if entry.split == "test" else entry.split for entry in dataset.listed]
        return f"{_OWN}, its test images for val", renamed
    return _OWN, [entry.split for entry in dataset.listed]


def by_fractions(classes: Sequence[Sequence[str]], groups: Sequence[int], settings: Settings) -> list[str]:
    """The split of each image, given its classes and its group of near-duplicates, which stays together.

    Raises DataError if keeping groups together leaves a split without images.
    """
    groups = range(len(classes)) if settings.allow_duplicates else groups
    chosen = splits.stratify(classes, groups, _shares(settings), settings.seed)
    missing = sorted(_shares(settings).keys() - set(chosen))
    if missing and len(set(groups)) < len(classes):
        raise DataError(
            f"No image is left for {' and '.join(missing)}: the {len(classes)} images are near-duplicates of each "
            f"other, in {len(set(groups))} groups, and a group stays in one split. If they are really different, "
            "allow near-duplicates in several splits, or give a list of images for each split.",
            argument="allow_duplicates",
            options=[Option("", "--allow-duplicates")],
        )
    return chosen


def without_images(chosen: Sequence[str], settings: Settings, place: str) -> list[Problem]:
    """A problem of `place` for each split that has a fraction above 0 but no images."""
    text = "{} has no image: there are too few for a share, or none in its list can be used."
    missing = [split for split in _shares(settings) if split not in chosen]
    return [Problem(place, None, "split without images", text.format(split)) for split in missing]


def _shares(settings: Settings) -> dict[str, float]:
    train = 1 - settings.val_fraction - settings.test_fraction
    shares = {"train": train, "val": settings.val_fraction, "test": settings.test_fraction}
    return {split: share for split, share in shares.items() if share}


def _given(dataset: Dataset, split_lists: Sequence[tuple[str, str]]) -> list[str | None]:
    """Splits by lists and folders; if train has no list, it gets all images that are in no list."""
    rest = None if "train" in dict(split_lists) else "train"
    chosen: list[str | None] = [None] * len(dataset.listed)
    for split, place in split_lists:
        matches = _in_folder(dataset, place) if _folder(dataset, place) else _in_list(dataset, place)
        for index in matches:
            if chosen[index] not in (None, split):
                key = dataset.listed[index].key
                raise DataError(f"{key} is in the lists of both {chosen[index]} and {split}. Keep it in one of them.")
            chosen[index] = split
    return [split or rest for split in chosen]


def _folder(dataset: Dataset, place: str) -> Path | None:
    """The folder `place`, relative to the working directory or to the dataset's folder."""
    candidates = [Path(place), Path(dataset.folder) / place]
    return next((path for path in candidates if path.is_dir()), None)


def _in_folder(dataset: Dataset, place: str) -> list[int]:
    root, folder = Path(dataset.folder).resolve(), (_folder(dataset, place) or Path(place)).resolve()
    if not folder.is_relative_to(root):
        text = f"The folder {place}, given for a split, is not inside {dataset.folder}, where the images are."
        raise DataError(text, argument="split")
    prefix = folder.relative_to(root).as_posix() + "/"
    found = [index for index, entry in enumerate(dataset.listed) if prefix == "./" or entry.key.startswith(prefix)]
    if not found:
        example = f"the first image is {dataset.listed[0].key}" if dataset.listed else "there are no images"
        text = f"No image of {dataset.folder} is in the folder {place}, which was given for a split; {example}."
        raise DataError(text, argument="split")
    return found


def _in_list(dataset: Dataset, place: str) -> list[int]:
    wanted = {name: line for line, name in _lines(place)}
    found: dict[str, dict[int, list[int]]] = {}
    for index, entry in enumerate(dataset.listed):
        for rank, name in enumerate(_names(entry, dataset.folder)):
            if name in wanted:
                found.setdefault(name, {}).setdefault(rank, []).append(index)
    matches = []
    for name, line in wanted.items():
        best = min(found.get(name, {None: []}).items(), key=lambda item: item[0] or 0)[1]
        if len(best) != 1:
            raise DataError(f"{place}:{line}: {_what_is_wrong(name, best, dataset)}")
        matches += best
    return matches


def _lines(place: str) -> Iterator[tuple[int, str]]:
    try:
        lines = files.read_bounded(place).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{place}, given for a split, is neither a folder nor a text file that can be read ({error}). A list has "
            "one image per line.",
            argument="split",
        ) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, os.path.normpath(line.strip()).replace("\\", "/")


def _names(entry: Listed, folder: str) -> tuple[str, ...]:
    """The names that a list may use for an image, from exact to short."""
    key = PurePosixPath(entry.key)
    full = (Path(folder) / entry.key).as_posix()
    return full, entry.key, key.with_suffix("").as_posix(), key.name, key.stem


def _what_is_wrong(name: str, found: list[int], dataset: Dataset) -> str:
    if found:
        keys = [dataset.listed[index].key for index in found[:_NAMED_IN_AN_ERROR]]
        return f"{name} may be any of {', '.join(keys)}. Use its path in {dataset.folder}."
    close = schema.nearest(name, [name for entry in dataset.listed for name in _names(entry, dataset.folder)[1:]])
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"{name} is not an image of {dataset.folder}.{hint}"
