"""The images of YOLO's splits: from the folders and list files in data.yaml, even if written on another machine."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from odtk.annotations import data_folder, path_matching
from odtk.annotations.annotated_image import Problem
from odtk.annotations.data_folder import DataFolder
from odtk.annotations.listed_dataset import SkippedImage, find_image
from odtk.annotations.value_parsing import short
from odtk.annotations.written_paths import PathIndex
from odtk.errors import DataError

Images = list[tuple[str | SkippedImage, str]]
"""Images, or why they are left out, each with the entry that names it."""


def root_of(files: DataFolder, config: str, written: object) -> tuple[str, list[Problem]]:
    """The folder that splits are relative to: data.yaml's `path`, or its own if `path` is of another machine."""
    beside = posixpath.dirname(config)
    if not isinstance(written, str) or not written.strip():
        return beside, []
    place = _inside(files, beside, written)
    if place is not None and any(_is_below(place, file) for file in files.files):
        return place, []
    text = f"path is {short(written)}, which is not a folder in {files.path}; the file's own folder is used instead."
    return beside, [Problem(files.at(config), None, "path is elsewhere", text)]


def images_of(files: DataFolder, config: str, root: str, split: str, value: object) -> tuple[Images, list[Problem]]:
    """The images of a split: a folder, a list file, or several of those; DataError if one is missing."""
    where, found, problems = files.at(config), [], []
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, str) or "\0" in part:
            raise DataError(f"{where}: {split} is {short(value)}; a folder or a list file is expected, or several.")
        images = _exactly(files, root, part)
        if images is None and (place := _by_end(files, where, split, part)):
            images = _at(files, root, place)
            text = f"{split} is {short(part)}, which does not exist; {place} is used, which has the same end."
            problems.append(Problem(where, None, "split found by the end of the path", text))
        if images is not None:
            found += images
        elif split == "test":  # exports always name one, even if it does not exist
            text = f"test is {short(part)}, neither a folder with images nor a list in {files.path}: no test split."
            problems.append(Problem(where, None, "split does not exist", text))
        else:
            text = f"{split} is {short(part)}, which is neither a folder with images nor a list in {files.path}."
            raise DataError(f"{where}: {text} Write it relative to the folder {files.at(root)}.")
    return found, problems


def listed_images(files: DataFolder, path: str, root: str) -> Images:
    """The images in a list file, one per line."""
    found = []
    roots = tuple(dict.fromkeys((posixpath.dirname(path), root, "")))
    for number, line in enumerate(data_folder.read_text(files.path, path).splitlines(), start=1):
        if line.strip():
            where = files.at(path), number
            found.append((find_image(files, line.strip(), roots, where, "the line names"), f"{path}#{number}"))
    return found


def _exactly(files: DataFolder, root: str, written: str) -> Images | None:
    """The folder or list at a path; None if there is none. Some exports write one `../` too many."""
    for candidate in (written, written.removeprefix("../")):
        for resolve in (posixpath.normpath, os.path.realpath):  # a link to a folder here is resolved
            place = _inside(files, root, candidate, resolve)
            if place is not None and (found := _at(files, root, place)) is not None:
                return found
    return None


def _at(files: DataFolder, root: str, place: str) -> Images | None:
    if place in files:
        return listed_images(files, place, root)
    return [(image, image) for image in files.images if _is_below(place, image)] or None


def _by_end(files: DataFolder, where: str, split: str, written: str) -> str | None:
    """The only list or folder that matches the end of a path, where a word for a split must not be dropped."""
    path = written.replace("\\", "/")
    lists, _ = PathIndex(files.with_suffix(".txt")).find(path, ())
    found = list(lists) if path.endswith(".txt") else _folders_ending(files, path)
    if len(found) > 1:
        raise DataError(
            f"{where}: {split} is {short(written)}, which does not exist, and may be {' or '.join(found[:4])}. "
            "Write it relative to the file."
        )
    return found[0] if found else None


def _folders_ending(files: DataFolder, path: str) -> list[str]:
    """The folders with images that match the longest possible end of `path`, without folders inside other matches.

    If that end is only a folder named after its contents (`images`), it matches the one that has all images.
    """
    folders = {path_matching.folded(folder): folder for image in files.images for folder in _above(image)}
    parts = [part for part in path_matching.folded(path).split("/") if part not in ("", ".", "..")]
    for start, part in enumerate(parts):
        tail = parts[start:]
        named = [folder for folded, folder in folders.items() if folded.split("/")[-len(tail) :] == tail]
        if not named:
            plain = _plain(tail)
            named = [
                folder for folder in folders.values() if plain and _plain(folder.split("/"))[-len(plain) :] == plain
            ]
        named = [folder for folder in named if not any(_is_below(other, folder) for other in named if other != folder)]
        if named and not _plain(tail):
            return [folder for folder in named if all(_is_below(folder, image) for image in files.images)]
        if named or path_matching.folder_split(part):
            return named
    return []


def _plain(folders: Iterable[str]) -> list[str]:
    parts = path_matching.plain_path("/".join([*folders, "x"])).split("/")[:-1]
    return [path_matching.folder_split(part) or path_matching.folded(part) for part in parts]


def _above(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        yield path


def _inside(files: DataFolder, base: str, written: str, resolve=posixpath.normpath) -> str | None:
    """A written path relative to the data set's folder; None if it leads out of it."""
    root = os.path.realpath(files.path)
    path = resolve(posixpath.join(root, base, written.replace("\\", "/")))
    if path == root:
        return ""
    return posixpath.relpath(path, root) if path.startswith(root.rstrip("/") + "/") else None


def _is_below(place: str, file: str) -> bool:
    return not place or file.startswith(place + "/")
