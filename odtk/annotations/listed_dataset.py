"""The common base of the data sets of all formats: a list of images, and images that are left out for a reason."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from odtk.annotations import data_folder, path_matching
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.data_folder import BY_END, BY_STEM, DataFolder
from odtk.annotations.dataset import ImageAnnotation, Listed
from odtk.annotations.value_parsing import short

NO_IMAGE = "no image"
AMBIGUOUS = "several images of that name"


@dataclass(frozen=True)
class SkippedImage:
    """The entry of an image that is known to be unusable when the data set is listed; `UnusableImage`'s arguments."""

    file: str
    line: int | None
    kind: str
    text: str
    is_bad: bool = True


@dataclass(frozen=True)
class ListedDataset:
    """A data set whose images are known; `problems` are with the data set as a whole.

    Pickling leaves out `listed`: each worker gets only its part of it, in another way.
    """

    format: str
    folder: str
    listed: tuple[Listed, ...]
    class_names: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"listed": ()}

    def read(self, listed: Listed) -> ImageAnnotation:
        """The annotation of an image; raises UnusableImage, naming file and line, if it cannot be used."""
        entry = listed.entry
        if isinstance(entry, SkippedImage):
            raise UnusableImage(entry.file, entry.line, entry.kind, entry.text, entry.is_bad)
        return self._read(entry)

    def _read(self, entry) -> ImageAnnotation:
        raise NotImplementedError

    def path(self, relative: str) -> str:
        """The path of a file as it is shown in messages."""
        return os.path.join(self.folder, relative)


def left_out(error: UnusableImage) -> SkippedImage:
    """The entry for which `read` raises `error`."""
    problem = error.problem
    return SkippedImage(problem.file, problem.line, problem.kind, problem.text, error.is_bad)


def in_order(listed: Iterable[Listed]) -> tuple[Listed, ...]:
    """Sorted by key, with unique keys: a second image of the same key, left out anyway, gets the suffix `#2`."""
    ordered, counts = [], Counter()
    for one in sorted(listed, key=lambda one: one.key):
        counts[one.key] += 1
        ordered.append(one if counts[one.key] == 1 else replace(one, key=f"{one.key}#{counts[one.key]}"))
    return tuple(sorted(ordered, key=lambda one: one.key))


def find_image(
    files: DataFolder, written: str, roots: Iterable[str], where: tuple[str, int | None], said: str
) -> str | SkippedImage:
    """The image that an annotation names, or why there is none; `where` is the file and line, `said` the context."""
    file, line = where
    found = files.find(written, tuple(roots))
    images = found.images if len(found.images) < 2 else _of_split(found.images, os.path.relpath(file, files.path))
    if len(images) == 1:
        files.names_of.setdefault(images[0], {})[written] = found.how
        return images[0]
    if images:
        text = f"{said} {short(written)} may be {' or '.join(images[:4])}. Add its folder to the name."
        return SkippedImage(file, line, AMBIGUOUS, text)
    if path_matching.leads_out(written):
        text = f"{said} {short(written)}, which is outside {files.path}, and no image in that folder has this name."
        return SkippedImage(file, line, data_folder.OUTSIDE, text)
    return SkippedImage(file, line, NO_IMAGE, f"{said} {short(written)}: there is no such image in {files.path}.")


def _of_split(images: Sequence[str], annotation: str) -> Sequence[str]:
    """Those of several images in the split that the annotation's own name or folder names, if there are any."""
    split = path_matching.split_in_name(annotation) or path_matching.split_of_folders(annotation)
    return [image for image in images if split and path_matching.split_of_folders(image) == split] or images


def finished(dataset: ListedDataset, files: DataFolder) -> ListedDataset:
    """The data set with the issues of its folder, without images that two different names seem to refer to."""
    clashes = {
        image: sorted(names)
        for image, names in files.names_of.items()
        if BY_END in names.values() and len({posixpath.normpath(name.replace("\\", "/")) for name in names}) > 1
    }
    listed = tuple(
        replace(one, entry=_clashing(files, one, clashes[one.key])) if one.key in clashes else one
        for one in dataset.listed
    )
    notes = (*files.problems, *_found_otherwise(files), *_unnamed(files, dataset), *_no_splits(files, dataset))
    return replace(dataset, listed=listed, problems=(*dataset.problems, *notes))


def _clashing(files: DataFolder, one: Listed, names: list[str]) -> SkippedImage:
    text = f"{short(names[0])} and {short(names[1])} may both mean it, as only their ends match. Use the same name."
    return SkippedImage(files.at(one.key), None, AMBIGUOUS, text)


def _unnamed(files: DataFolder, dataset: ListedDataset) -> Iterator[Problem]:
    """Counts images that are not listed, by suffix, with the first."""
    keys = {one.key for one in dataset.listed}
    unnamed = [image for image in files.images if image not in keys]
    if unnamed:
        counts = Counter(posixpath.splitext(image)[1].lower() for image in unnamed)
        shown = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(4))
        text = f"these images are in no annotation and are left out: {shown}; the first is {unnamed[0]}."
        yield Problem(files.path, None, "images in no annotation", text)


def _found_otherwise(files: DataFolder) -> Iterator[Problem]:
    """Counts images that were not found by their exact names, with the first for each way."""
    for how in (BY_END, BY_STEM):
        found = [(name, image) for image, names in files.names_of.items() for name in names if names[name] == how]
        if found:
            (name, image), count = min(found), f"{len(found)} images are" if len(found) > 1 else "1 image is"
            text = f"{count} found {how}: the annotations name {short(name)}, and {image} is used."
            yield Problem(files.path, None, f"image found {how}", text)


def _no_splits(files: DataFolder, dataset: ListedDataset) -> Iterator[Problem]:
    """Reports folders that are named like splits but not used as splits."""
    named, others = path_matching.tops_of_no_split([one.key for one in dataset.listed if one.key in files])
    if named and not any(one.split for one in dataset.listed):
        text = (
            f"{' and '.join(named[:3])} may be splits, but not all folders here are named after a split "
            f"({', '.join(others[:3])}), so none is used as a split. To use them, choose the folder of each split."
        )
        yield Problem(files.path, None, "folders not used as splits", text)
