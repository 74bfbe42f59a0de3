"""What the data sets of all formats have in common: a list, and images that are left out of it for a reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from odtk.annotations import data_folder, path_words
from odtk.annotations.annotated_image import Problem, UnusableImage
from odtk.annotations.listing import ImageAnnotation, Listed
from odtk.annotations.written_values import short

NO_IMAGE = "no image"
AMBIGUOUS = "several images of that name"


@dataclass(frozen=True)
class LeftOut:
    """The entry of an image that cannot be read, known when the data set was listed; `UnusableImage`'s arguments."""

    file: str
    line: int | None
    kind: str
    text: str
    is_bad: bool = True


@dataclass(frozen=True)
class ListedDataset:
    """A data set whose images are known; `problems` are those of the data set as a whole.

    A pickled one leaves `listed` behind: a worker gets its part of it in another way, and not everything.
    """

    format: str
    folder: str
    listed: tuple[Listed, ...]
    class_names: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"listed": ()}

    def read(self, listed: Listed) -> ImageAnnotation:
        """What the annotation says of an image; raises UnusableImage, naming file and line, where it cannot be used."""
        entry = listed.entry
        if isinstance(entry, LeftOut):
            raise UnusableImage(entry.file, entry.line, entry.kind, entry.text, entry.is_bad)
        return self._read(entry)

    def _read(self, entry) -> ImageAnnotation:
        raise NotImplementedError

    def path(self, relative: str) -> str:
        """A file of the data set as messages name it."""
        return os.path.join(self.folder, relative)


def left_out(error: UnusableImage) -> LeftOut:
    """The entry that makes `read` raise that error."""
    problem = error.problem
    return LeftOut(problem.file, problem.line, problem.kind, problem.text, error.is_bad)


def in_order(listed: Iterable[Listed]) -> tuple[Listed, ...]:
    """Sorted by key, the keys made unique: a second image of a key, which is left out anyway, gets `#2` behind it."""
    ordered, counts = [], Counter()
    for one in sorted(listed, key=lambda one: one.key):
        counts[one.key] += 1
        ordered.append(one if counts[one.key] == 1 else replace(one, key=f"{one.key}#{counts[one.key]}"))
    return tuple(sorted(ordered, key=lambda one: one.key))


def find_image(
    files: data_folder.DataFolder, written: str, roots: Iterable[str], where: tuple[str, int | None], said: str
) -> str | LeftOut:
    """The image that an annotation names, or why there is none; `where` (file, line) it does so, `said` how."""
    file, line = where
    if path_words.leads_out(written):
        text = (
            f"{said} {short(written)} is absolute or has '..', and could lead out of the data set. Write it relative."
        )
        return LeftOut(file, line, "path leads out of the data set", text)
    found = files.find(written, tuple(roots))
    if len(found) == 1:
        return found[0]
    if found:
        text = f"{said} {short(written)} may be {' or '.join(found[:4])}. Write its folder, too."
        return LeftOut(file, line, AMBIGUOUS, text)
    return LeftOut(file, line, NO_IMAGE, f"{said} {short(written)}: there is no such image in {files.path}.")
