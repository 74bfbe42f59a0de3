"""Lists the files below a data set's folder, with links to folders, and decides which of them may be opened.

People link `images/` to a large disk, so links to folders are followed, and reported. This is safe, unlike a link to a
single file outside: below a linked folder files keep their own names, and only those named like an image or an
annotation are opened, while a link can give any file such a name. Links are followed in the data set's own folders,
not below another link, not to a folder that contains the data set, and not to files that were already found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from odtk.annotations import path_matching
from odtk.annotations.annotated_image import Problem
from odtk.errors import DataError


@dataclass
class Walk:
    """The files below a folder as posix paths relative to it, and issues with the links among them."""

    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def walk(folder: str) -> Walk:
    """All files below a folder except hidden ones; DataError if it cannot be listed or a name is not UTF-8."""
    found, root, followed = Walk(), os.path.realpath(folder), {}
    found.files += _files(folder, "", links := [])
    for link in sorted(links):
        path = os.path.join(folder, link)
        target = os.path.realpath(path)
        if why := _why_not(root, target, followed):
            text = f"it is a link to {target}, and is not read: {why}."
            found.problems.append(Problem(path, None, "linked folder not read", text))
            continue
        followed[target] = link
        found.files += _files(path, f"{link}/", [])
        text = f"it is a link to {target}, whose files are read as part of the data set."
        found.problems.append(Problem(path, None, "linked folder", text))
    found.files.sort()
    return found


def is_inside(folder: str, relative: str, real: str) -> bool:
    """Whether a file with the real path `real` is in the folder, or below a link in it that `walk` follows."""
    root = os.path.realpath(folder)
    if _holds(root, real):
        return True
    place = root
    for part in () if path_matching.leads_out(relative) else relative.split("/")[:-1]:
        place = os.path.join(place, part)
        if os.path.islink(place):
            target = os.path.realpath(place)
            return not _holds(target, root) and _holds(target, real)
    return False


def _why_not(root: str, target: str, followed: dict[str, str]) -> str | None:
    if not os.path.isdir(target):
        return "there is no such folder"
    if _holds(target, root):
        return "that folder contains the data set itself"
    if _holds(root, target):
        return "its files are in the data set's folder already"
    met = next((link for other, link in followed.items() if _holds(other, target) or _holds(target, other)), None)
    return met and f"{met} is already a link to files in it"


def _holds(folder: str, path: str) -> bool:
    return os.path.commonpath([folder, path]) == folder


def _files(folder: str, prefix: str, links: list[str]) -> Iterator[str]:
    """The files below a folder; links to folders and broken links are added to `links`."""
    for place, folders, names in os.walk(folder, onerror=_cannot_list):
        relative = os.path.relpath(place, folder).replace(os.sep, "/")
        above = prefix if relative == "." else f"{prefix}{relative}/"
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        links += [above + name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in names:
            _check_name(place, name)
            if name.startswith("."):
                continue
            if not os.path.splitext(name)[1] and not os.path.exists(os.path.join(place, name)):
                links.append(above + name)
            else:
                yield above + name


def _check_name(place: str, name: str) -> None:
    """Raises DataError for a name with invalid bytes (lone surrogates in Python), which no record can hold."""
    if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise DataError(f"{place} has a file whose name is not UTF-8: {shown}. Rename it.")


def _cannot_list(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be listed: {error.strerror}. Change its permissions.") from error
