"""Paths of images as written in annotations, on another machine or as a URL, and the files that they match here."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import parse_qs, unquote

from odtk.annotations import path_matching
from odtk.files import IMAGE_SUFFIXES

_MOST_FOLDERS = 32
_LABEL_STUDIO = re.compile(r"[0-9a-f]{8}(?:-|__)(.+)")  # the prefix of uploaded files


def spellings(written: str) -> Iterator[str]:
    """A written path as it is; then as a URL, and without the prefix of Label Studio.

    The host and bucket of a URL are kept, as leading folders.
    """
    plain = written.replace("\\", "/")
    yield plain
    found = []
    if "%" in plain or "?" in plain or "://" in plain:
        path, _, query = plain.partition("?")
        found = [
            place.replace("\\", "/") for place in parse_qs(query).get("d", [])
        ]  # /data/local-files/?d=images/1.jpg
        found.append(unquote(path.split("#")[0] if "://" in path else path))
        yield from found
    for path in (plain, *found):
        folder, name = posixpath.split(path)
        if prefixed := _LABEL_STUDIO.fullmatch(name):
            yield posixpath.join(folder, prefixed[1])


def without_image_suffix(path: str) -> str:
    """A path without its suffix, if that is one of an image."""
    stem, suffix = posixpath.splitext(path)
    return stem if suffix.lower() in IMAGE_SUFFIXES else path


class PathIndex:
    """Files by their names: paths relative to the dataset, indexed by `key`."""

    def __init__(self, paths: Iterable[str], key: Callable[[str], str] = str):
        self._by_path, self._by_name = defaultdict(list), defaultdict(list)
        self._key, folders = key, set()
        for path in paths:
            folded = path_matching.folded(key(path))
            folder, name = posixpath.split(folded)
            self._by_path[folded].append(path)
            self._by_name[name].append(path)
            folders.add(folder)
        self._folders = {part for folder in folders for part in _plain(f"{folder}/")}

    def find(self, written: str, roots: Sequence[str]) -> tuple[tuple[str, ...], bool]:
        """The files that a path may refer to, and whether only its end matches."""
        parts = [part for part in path_matching.folded(written).split("/") if part not in ("", ".")]
        if not parts or parts[-1] not in self._by_name:
            return (), False
        is_elsewhere = path_matching.leads_out(written)
        places = [[part for part in path_matching.folded(root).split("/") if part] for root in roots]
        if not written.startswith("/") and (found := self._from_roots(parts, places)):
            return found, False
        parts = parts[max((place + 1 for place, part in enumerate(parts) if part == ".."), default=0) :]
        for start in range(max(0, len(parts) - _MOST_FOLDERS), len(parts)):
            tail = parts[start:]
            if found := self._from_roots(tail, places) or self._ending_in(tail, lambda path: path.split("/")):
                return found, is_elsewhere or start > 0
            if found := self._ending_in(tail, _plain):
                return found, True
            if not self._folders.isdisjoint(_plain(f"{parts[start]}/")):
                break  # the dataset has that folder, and the image is not in it
        return (), False

    def _from_roots(self, parts: list[str], roots: Sequence[list[str]]) -> tuple[str, ...]:
        for root in roots:
            path = "/".join([*root, *parts])
            if found := self._by_path.get(posixpath.normpath(path) if ".." in parts else path):
                return tuple(found)
        return ()

    def _ending_in(self, tail: list[str], split: Callable[[str], list[str]]) -> tuple[str, ...]:
        named, wanted = self._by_name.get(tail[-1], ()), split("/".join(tail))
        return tuple(path for path in named if split(path_matching.folded(self._key(path)))[-len(wanted) :] == wanted)


def _plain(path: str) -> list[str]:
    """The parts of a path without those like `images`, and with one word for each split."""
    return [path_matching.folder_split(part) or part for part in path_matching.plain_path(path).split("/") if part]
