"""A data set's folder: finds files in it by the names that annotations use, and reads nothing outside of it.

All file system access of the annotation formats is here.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from odtk.annotations import linked_folders, text_encoding, written_paths
from odtk.annotations.annotated_image import UnusableImage
from odtk.annotations.written_paths import PathIndex
from odtk.errors import DataError
from odtk.files import IMAGE_SUFFIXES, read_bounded

# For texts about one image, or lists of names; a COCO json or a CSV may be as large as its data set needs.
_TEXT_SUFFIXES = (".xml", ".txt", ".yaml", ".yml", ".names", ".labels", ".data")

OUTSIDE = "path leads out of the data set"
BY_END, BY_STEM = "by the end of the path", "by the name without its suffix"

_CONFIG_SUFFIXES, _ANNOTATION_SUFFIXES = (".yaml", ".yml"), (".json", ".csv", ".xml")


@dataclass(frozen=True)
class Found:
    """The images that a name in an annotation can refer to: one, none, or several if it is ambiguous.

    `how` is empty for an exact match, BY_END if the beginning of the path was ignored, BY_STEM if the suffix was.
    """

    images: tuple[str, ...] = ()
    how: str = ""


def is_data_set(path: str | os.PathLike) -> bool:
    """Whether a path is a folder, or a data.yaml, which stands for a YOLO data set's folder.

    Raises DataError for another annotation file, as it does not say where the images are.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        return os.path.isdir(path)
    if path.lower().endswith(_ANNOTATION_SUFFIXES):
        folder = folder_of(path)
        raise DataError(
            f"{path} is only one file of a data set. Give the folder with the annotations and the images instead: "
            f"{folder}, or one above it."
        )
    return path.lower().endswith(_CONFIG_SUFFIXES)


def folder_of(path: str | os.PathLike) -> str:
    """The folder of a data set, which may be given by a file in it."""
    path = os.fspath(path)
    return path if os.path.isdir(path) else os.path.dirname(path) or os.curdir


class DataFolder:
    """The files below a folder, as sorted posix paths relative to it, without hidden ones.

    A YOLO data set may also be given by its data.yaml: `named` is that file. Links to folders are followed as described
    in `odtk.annotations.linked_folders`. Raises DataError if the folder cannot be listed.
    """

    def __init__(self, path: str | os.PathLike):
        self.path, self.named = os.fspath(path), None
        if not is_data_set(self.path):
            what = "is a file" if os.path.exists(self.path) else "does not exist"
            raise DataError(f"{self.path} {what}; the folder of a data set is expected.")
        if not os.path.isdir(self.path):
            self.path, self.named = folder_of(self.path), os.path.basename(self.path)
        found = linked_folders.walk(self.path)
        self.files, self.problems = found.files, tuple(found.problems)
        self.names_of: dict[str, dict[str, str]] = {}  # by image: what annotations call it, and how it was found so

    def __contains__(self, relative: str) -> bool:
        return relative in self._set

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.files)

    def at(self, relative: str) -> str:
        """The path of a file as it is shown in messages."""
        return os.path.join(self.path, relative)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files with one of these suffixes, in upper or lower case."""
        return [path for path in self.files if path.lower().endswith(suffixes)]

    @cached_property
    def images(self) -> list[str]:
        """The files with a suffix of images."""
        return self.with_suffix(*IMAGE_SUFFIXES)

    @cached_property
    def _index(self) -> PathIndex:
        return PathIndex(self.images)

    @cached_property
    def _stems(self) -> PathIndex:
        return PathIndex(self.images, lambda path: posixpath.splitext(path)[0])

    def find(self, written: str, roots: Sequence[str] = ("",)) -> Found:
        """The images that a name in an annotation can refer to, even if it is from another machine or a URL.

        It is looked up relative to each of `roots`; then as the end of any image's path, with as many of its folders as
        match, where no folder that the data set also has may be dropped; then in the same way without the suffix. Case,
        backslashes and the Unicode form of accents do not matter. Only files listed here are ever found.
        """
        for position, spelling in enumerate(map(self._from_here, written_paths.spellings(written))):
            for how in ("", BY_STEM):
                index, name = self._index, spelling
                if how:  # few need this, and it takes time to make
                    index, name = self._stems, written_paths.without_image_suffix(spelling)
                images, is_by_end = index.find(name, roots)
                if images:
                    return Found(images, BY_END if is_by_end or position else how)
        return Found()

    @cached_property
    def _absolute(self) -> tuple[str, ...]:
        return tuple(f"{place(self.path)}/" for place in (os.path.abspath, os.path.realpath))

    def _from_here(self, path: str) -> str:
        """An absolute path of this machine relative to the data set's folder, if it is inside."""
        return next((path.removeprefix(folder) for folder in self._absolute if path.startswith(folder)), path)


def checked_path(folder: str, relative: str) -> str:
    """The path of a file in the data set's folder, which may be below a link to a folder (`linked_folders`).

    Raises UnusableImage if it leads out of the folder, by `..`, as an absolute path or as a link, or if it is not a
    regular file.
    """
    path = os.path.join(folder, relative)
    try:
        real = os.path.realpath(path)
        inside = linked_folders.is_inside(folder, relative, real)
        mode = os.stat(real).st_mode if inside else 0
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableImage(path, None, "no such file", f"the file cannot be opened: {why}.") from error
    if not inside:
        text = f"it leads to {real}, outside the data set's folder {folder}, and is not read. Copy the file into it."
        raise UnusableImage(path, None, OUTSIDE, text)
    if not stat.S_ISREG(mode):
        raise UnusableImage(path, None, "no such file", "it is not a regular file, and is not read.")
    return path


def read_bytes(folder: str, relative: str) -> bytes:
    """The bytes of a file in the data set's folder; UnusableImage as in `checked_path`, and if it is unreadable."""
    path = checked_path(folder, relative)
    try:
        if path.lower().endswith(_TEXT_SUFFIXES):
            return read_bounded(path)
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UnusableImage(path, None, "no such file", f"the file cannot be opened: {error.strerror}.") from error


def read_start(folder: str, relative: str, count: int) -> bytes:
    """The first `count` bytes of a file in the data set's folder; none if it cannot or must not be read."""
    try:
        with open(checked_path(folder, relative), "rb") as file:
            return file.read(count)
    except (OSError, UnusableImage):
        return b""


def text_start(folder: str, relative: str, count: int) -> str:
    """The text in the first `count` bytes of a file, in UTF-8 or UTF-16; see `read_start`."""
    return text_encoding.decode_start(read_start(folder, relative, count))


def read_text(folder: str, relative: str) -> str:
    """The text of a file in the data set's folder, in UTF-8 or UTF-16 (`text_encoding`); otherwise UnusableImage."""
    data, path = read_bytes(folder, relative), os.path.join(folder, relative)
    try:
        return text_encoding.decode(data)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(error.encoding, "replace").count("\n") + 1
        name = "UTF-8" if error.encoding == "utf-8" else "UTF-16" if "16" in error.encoding else "UTF-32"
        text = f"byte {error.object[error.start]:#04x} is not {name}. Save the file as UTF-8."
        raise UnusableImage(path, line, "text cannot be read", text) from error
