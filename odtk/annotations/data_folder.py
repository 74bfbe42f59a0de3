"""A data set's folder: the files in it, found by the names that annotations call them, and none read outside of it.

All that the formats know of file systems is here.
"""

from __future__ import annotations

import codecs
import os
import posixpath
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property

from odtk.annotations import path_words
from odtk.annotations.annotated_image import UnusableImage
from odtk.errors import DataError
from odtk.files import IMAGE_SUFFIXES, read_bounded

# Of texts that are about one image, or name some things; a COCO json or a CSV is as large as its data set.
_TEXT_SUFFIXES = (".xml", ".txt", ".yaml", ".yml", ".names", ".data")

_OUTSIDE = "path leads out of the data set"


class DataFolder:
    """The files below a folder, as sorted posix paths relative to it. Hidden ones are passed over.

    Links to folders are not followed. Raises DataError where the folder cannot be listed.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        if not os.path.isdir(self.path):
            what = "is a file" if os.path.exists(self.path) else "does not exist"
            raise DataError(f"{self.path} {what}; the folder of a data set is expected. Name that folder.")
        self.files = sorted(_walk(self.path))

    def __contains__(self, relative: str) -> bool:
        return relative in self._set

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.files)

    def at(self, relative: str) -> str:
        """A file as messages name it."""
        return os.path.join(self.path, relative)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The files whose names end so, in upper or lower case."""
        return [path for path in self.files if path.lower().endswith(suffixes)]

    @cached_property
    def images(self) -> list[str]:
        """The files that their names say to be images."""
        return self.with_suffix(*IMAGE_SUFFIXES)

    @cached_property
    def _by_path(self) -> dict[str, list[str]]:
        return _grouped((path_words.folded(path), path) for path in self.images)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        return _grouped((path_words.folded(posixpath.basename(path)), path) for path in self.images)

    def find(self, written: str, roots: Sequence[str] = ("",)) -> list[str]:
        """The images that a name in an annotation can mean: one, none, or several of which it may be any.

        It is sought from each of `roots` in turn, then as the end of any image's path, then from `roots` with its
        leading folders taken away. Case, back slashes and the Unicode form of accents do not matter.
        """
        parts = [part for part in path_words.folded(written.replace("\\", "/")).split("/") if part not in ("", ".")]
        if not parts:
            return []
        if found := self._from_roots(parts, roots):
            return found
        tail = "/" + "/".join(parts)
        if found := [
            path for path in self._by_name.get(parts[-1], []) if ("/" + path_words.folded(path)).endswith(tail)
        ]:
            return found
        shorter = (self._from_roots(parts[start:], roots) for start in range(1, min(len(parts), 32)))
        return next((found for found in shorter if found), [])

    def _from_roots(self, parts: list[str], roots: Sequence[str]) -> list[str]:
        tail = "/".join(parts)
        for root in roots:
            found = self._by_path.get(posixpath.join(path_words.folded(root), tail))
            if found:
                return found
        return []


def _walk(folder: str) -> Iterable[str]:
    for place, folders, names in os.walk(folder, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        relative = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in names:
            _check_name(place, name)
            if not name.startswith("."):
                yield name if relative == "." else f"{relative}/{name}"


def _check_name(place: str, name: str) -> None:
    """Neither a record nor a report can hold a name with stray bytes, which Python has as lone surrogates."""
    if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise DataError(f"{place} has a file whose name is not UTF-8: {shown}. Rename it.")


def _cannot_list(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed: {error.strerror}. Mend its permissions.") from error


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)


def checked_path(folder: str, relative: str) -> str:
    """The path of a file in the data set's folder.

    Raises UnusableImage where it leads out of the folder, by `..`, as an absolute path or through a link, and where it
    is no plain file.
    """
    path = os.path.join(folder, relative)
    try:
        root, real = os.path.realpath(folder), os.path.realpath(path)
        inside = os.path.commonpath([root, real]) == root
        mode = os.stat(real).st_mode if inside else 0
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableImage(path, None, "no such file", f"the file cannot be opened: {why}.") from error
    if not inside:
        text = f"it leads to {real}, out of the data set's folder {folder}, and is not read. Put the file into it."
        raise UnusableImage(path, None, _OUTSIDE, text)
    if not stat.S_ISREG(mode):
        raise UnusableImage(path, None, "no such file", "it is no plain file, and is not read.")
    return path


def read_bytes(folder: str, relative: str) -> bytes:
    """The bytes of a file in the data set's folder; UnusableImage as in `checked_path`, and where it is unreadable."""
    path = checked_path(folder, relative)
    try:
        if path.lower().endswith(_TEXT_SUFFIXES):
            return read_bounded(path)
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UnusableImage(path, None, "no such file", f"the file cannot be opened: {error.strerror}.") from error


def read_start(folder: str, relative: str, count: int) -> bytes:
    """The first `count` bytes of a file in the data set's folder; none where it may not or cannot be read."""
    try:
        with open(checked_path(folder, relative), "rb") as file:
            return file.read(count)
    except (OSError, UnusableImage):
        return b""


def read_text(folder: str, relative: str) -> str:
    """The text of a UTF-8 file in the data set's folder, with or without a byte order mark; else UnusableImage."""
    data, path = read_bytes(folder, relative), os.path.join(folder, relative)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableImage(path, 1, "text cannot be read", "it is UTF-16 text; UTF-8 is expected. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = f"byte {data[error.start]:#04x} is not UTF-8. Save the file as UTF-8."
        raise UnusableImage(path, line, "text cannot be read", text) from error
