"""Folders as a page lists them: how many images are in each, and in which format it seems to be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtk.errors import OdtkError
from odtk.files import IMAGE_SUFFIXES
from odtk.web.workspace import OutsideError, Workspace

MOST_FILES = 3_000
"""Files of a folder that are counted, and up to which its format is recognized, before it is inspected."""
_SECONDS = 2.0  # for all folders of a page
_MOST_FOLDERS = 300

FORMATS = {
    "pets": "Oxford-IIIT Pet layout", "voc": "Pascal VOC", "coco": "COCO", "yolo": "YOLO", "csv": "CSV",
    "records": "TFRecords",
}  # fmt: skip


@dataclass(frozen=True)
class FolderEntry:
    """A folder; `format` is empty if none was recognized, or it was not looked for."""

    name: str
    path: str  # as a command in the workspace names it
    images: int = 0
    is_counted: bool = True  # False: there are more, or it was not counted
    format: str = ""
    note: str = ""  # why no format fits, or that several do

    @property
    def is_data(self) -> bool:
        """Whether there is something to inspect."""
        return self.images > 0 or self.format == FORMATS["records"] or not self.is_counted

    @property
    def contents(self) -> str:
        """`120 images, COCO`."""
        if not self.is_counted and not self.images:
            return "not counted yet"
        more = "" if self.is_counted else "more than "
        counted = f"{more}{self.images:,} image{'s' * (self.images != 1)}" if self.images else ""
        return ", ".join(filter(None, [counted, self.format])) or "no images"


@dataclass(frozen=True)
class Listing:
    """A folder, those above it from its root on, and those in it."""

    here: FolderEntry
    above: tuple[FolderEntry, ...]
    below: tuple[FolderEntry, ...]
    left_out: int  # folders beyond those listed


def soon() -> float:
    """Until when the folders of a page are looked into."""
    return time.monotonic() + _SECONDS


def listing(workspace: Workspace, path: Path) -> Listing:
    """What is in a folder below a root, links that lead out of all roots left out. Raises OdtkError if it is none."""
    if not path.is_dir():
        raise OdtkError(f"{workspace.shown(path)} is no folder.")
    found, until = list(_folders(workspace, path)), soon()
    below = tuple(entry(workspace, each, until, name) for name, each in found[:_MOST_FOLDERS])
    here = entry(workspace, path, soon())
    return Listing(here, tuple(_above(workspace, path)), below, max(len(found) - _MOST_FOLDERS, 0))


def entries(workspace: Workspace, folder: Path) -> list[FolderEntry]:
    """The folders in one of the workspace's own, which may not exist yet."""
    if not folder.is_dir():
        return []
    until = soon()
    return [entry(workspace, path, until, name) for name, path in _folders(workspace, folder)]


def _folders(workspace: Workspace, path: Path) -> Iterator[tuple[str, Path]]:
    try:
        found = sorted((each for each in path.iterdir() if _has_address(each.name)), key=lambda each: each.name)
    except OSError as error:
        raise OdtkError(f"{workspace.shown(path)} cannot be listed: {error.strerror}.") from error
    own = workspace.folder / f"{workspace.queue_file.name}.files"  # logs of jobs
    for each in found:
        try:
            if each.is_dir() and each != own:
                yield each.name, workspace.inside(each)
        except (OutsideError, OSError):
            continue


def _has_address(name: str) -> bool:
    """Not hidden, and a text: bytes that are no UTF-8 have no address that browsers keep."""
    return not name.startswith(".") and name.isprintable()


def _above(workspace: Workspace, path: Path) -> Iterator[FolderEntry]:
    # The innermost root, as one may lie in another.
    root = max((root for root in workspace.roots if path.is_relative_to(root)), key=lambda root: len(root.parts))
    for each in reversed(path.parents):
        if each == root:
            yield _root(workspace, root)
        elif each.is_relative_to(root):
            yield FolderEntry(each.name, workspace.shown(each))


def roots(workspace: Workspace) -> list[FolderEntry]:
    """The folders that pages may read, as links to them."""
    return [_root(workspace, root) for root in workspace.roots]


def _root(workspace: Workspace, root: Path) -> FolderEntry:
    return FolderEntry("Workspace" if root == workspace.folder else str(root), workspace.shown(root))


def entry(workspace: Workspace, path: Path, until: float, name: str = "") -> FolderEntry:
    """One folder, looked into until a time (of `time.monotonic`)."""
    shown, name = workspace.shown(path), name or path.name or str(path)
    if time.monotonic() > until:
        return FolderEntry(name, shown, is_counted=False)
    if has_records(path):
        return FolderEntry(name, shown, format=FORMATS["records"])
    images, is_complete = _count(path, until)
    if not images or not is_complete or time.monotonic() > until:
        return FolderEntry(name, shown, images, is_complete)
    format, note = _recognized(path)
    return FolderEntry(name, shown, images, True, format, note)


def has_records(path: Path) -> bool:
    """Whether record files lie in a folder itself."""
    try:
        names = [each.name for each in os.scandir(path) if each.is_file()]
    except OSError:
        return False
    return any(".tfrecord" in name or ".record" in name for name in names if not name.startswith("."))


def _count(path: Path, until: float) -> tuple[int, bool]:
    """Images below a folder, and whether these are all."""
    images = files = 0
    for _, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images += sum(name.lower().endswith(IMAGE_SUFFIXES) for name in names)
        files += len(names) + len(folders)
        if files > MOST_FILES or time.monotonic() > until:
            return images, False
    return images, True


def _recognized(path: Path) -> tuple[str, str]:
    """The name of the format of a small folder, and what is to be said about it."""
    from odtk.annotations import formats

    try:
        found = formats.signs(path)
    except OdtkError as error:
        return "", str(error)
    named = [FORMATS[each] for each in found]
    return (named[0], "") if len(named) == 1 else ("", f"may be {' or '.join(named)}" if named else "")
