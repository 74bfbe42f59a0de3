"""Which files of a folder odtk wrote: a hidden list among them, so that a folder with others is never replaced."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from odtk import unfinished
from odtk.errors import OutputError


def write_list(folder: Path, list_file: str) -> None:
    """Writes into the folder, under the hidden name `list_file`, which files it holds."""
    names = sorted(files_below(folder) - {list_file})
    (folder / list_file).write_text(json.dumps(names), encoding="utf-8")


def read_list(folder: Path, list_file: str) -> set[str] | None:
    """The files that `write_list` found there; None where there is no such list."""
    try:
        return set(json.loads((folder / list_file).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def files_below(folder: Path) -> set[str]:
    """Relative paths of all files and links in the folder and its folders, without unfinished outputs."""
    below = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    relative = (path.relative_to(folder) for path in below)
    return {path.as_posix() for path in relative if not any(map(unfinished.is_part, path.parts))}


def refuse_others(folder: Path, ours: Iterable[str]) -> None:
    """Raises OutputError if the folder holds a file that is none of `ours`."""
    others = sorted(files_below(folder) - set(ours) - {unfinished.LOCK_NAME})
    if others:
        raise OutputError(f"{folder} holds {others[0]}, which odtk did not write there. Choose another folder.")
