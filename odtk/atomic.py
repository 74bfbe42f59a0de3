"""Outputs that appear whole or not at all: written beside their place, then renamed into it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from odtk.errors import OutputError


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """Raises OutputError where the file to write exists already, unless `overwrite`; to be called before any work."""
    if os.path.exists(path) and not overwrite:
        raise OutputError(f"{os.fspath(path)} exists. Name another file, or replace it with --overwrite.")


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is renamed to `path`, on any error it is removed.

    A link is followed: what it points to is replaced. A file that is replaced hands on its permissions.
    """
    path = Path(path).resolve()
    if path.is_dir():
        raise OutputError(f"{path} is a folder; a file is written here. Name a file.")
    _make_parent(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` on success and is removed on any error.

    An existing non-empty `path` raises OutputError before anything is written, unless `replace` is true: then its
    contents are swapped for the new ones at the very end. An existing folder is filled, not replaced: it may be a link,
    a mount or where the shell stands.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; a folder is written here. Name another folder, or remove the file.")
    if path.is_dir() and any(path.iterdir()) and not replace:
        raise OutputError(f"{path} is not empty. Name another folder, or empty it first.")
    exists = path.is_dir()
    _make_parent(path / "inside" if exists else path)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path if exists else path.parent))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        if exists:
            _fill(path, temporary)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, new: Path) -> None:
    # What was written last says of the rest that it is whole: it goes first, and comes last.
    for old in reversed(_by_age(folder)):
        if old == new:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    for child in _by_age(new):
        os.replace(child, folder / child.name)


def _by_age(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path.parent} cannot be made: {error.strerror}.") from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"The folder {path.parent} may not be written to. Name another place, or change its permissions."
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
