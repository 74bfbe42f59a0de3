"""Atomic outputs: written to a temporary path next to the final one, then renamed."""

import contextlib
import errno
import fnmatch
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from odtk import unfinished
from odtk.errors import OutputError
from odtk.system_errors import FULL, as_os_error, describe, in_bytes

# Errors that do not name a file, and are about the one that is being written.
_OF_WRITING = (*FULL, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike, size: int | None = None) -> Iterator[Path]:
    """Yields a temporary path next to `path`; on success it is renamed to `path`, on any error it is removed.

    Links are followed: the target is replaced. The permissions of a replaced file are kept. Raises OutputError at the
    start if no file can be written there, and if the disk becomes full; the message then includes `size`, the number
    of bytes that are needed, if given.
    """
    path = _file_place(path)
    _make_folder(path.parent, path)
    kept = f"the old {path.name} is unchanged" if path.exists() else f"there is no {path.name}"
    with _part(path, path.parent, False, kept, size) as part:
        yield part
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        os.replace(part, path)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` on success and is removed on any error.

    An existing non-empty `path` raises OutputError before anything is written, unless `replace` is true: then its
    contents are replaced by the new ones at the very end. An existing folder is filled, not replaced: it may be a link,
    a mount or the shell's current folder. OutputError is also raised if another process writes the same output, and if
    the disk is full. Leftovers of a killed process are removed, and do not count as contents.
    """
    path = _folder_place(path)
    exists = path.is_dir()
    if exists and not replace and unfinished.contents(path):
        raise OutputError(f"{path} is not empty. Choose another folder, or empty it first.")
    _make_folder(path if exists else path.parent, path)
    kept = f"the old contents of {path} are unchanged" if exists and replace else "nothing is left behind"
    with _part(path, path if exists else path.parent, True, kept) as part:
        yield part
        if exists:
            _fill(path, part)
        else:
            _appear(part, path)


@contextlib.contextmanager
def answering(folder: Path, kept: str) -> Iterator[None]:
    """Raises an OSError about `folder`, by name or because the disk is full, as an OutputError that includes `kept`."""
    try:
        yield
    except Exception as error:
        refused = as_os_error(error)
        if refused is None or not _is_about(refused, folder):
            raise
        full = f" It has {in_bytes(shutil.disk_usage(folder).free)} free." if refused.errno in FULL else ""
        named = folder if refused.errno in _OF_WRITING else None
        raise OutputError(f"{describe(refused, named)}{full} {kept}") from error


def check_file(path: str | os.PathLike, overwrite: bool = True) -> None:
    """Raises OutputError if no file can be written to `path`: to be called before the work for it.

    Without `overwrite` an existing file is refused too.
    """
    if os.path.isfile(path) and not overwrite:
        raise OutputError(
            f"{os.fspath(path)} already exists. Choose another file, or overwrite it.", argument="overwrite"
        )
    path = _file_place(path)
    _try_to_write(path, path.parent)


def may_replace(
    folder: str | os.PathLike, names: Sequence[str], ours: Sequence[str], mark: str, overwrite: bool
) -> bool:
    """Whether a folder that holds `names` is an earlier output, to be replaced; False if it is empty.

    `ours` are patterns of the files in an output, `mark` is in every complete one. Raises OutputError if there is
    anything else, and, unless `overwrite`, if it is an earlier output.
    """
    if not names:
        return False
    foreign = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ours)]
    if foreign or mark not in names:
        held = f"{foreign[0]}, which this command did not write" if foreign else f"no {mark}"
        raise OutputError(f"{folder} is not empty and has {held}. Choose another folder, or empty it first.")
    if not overwrite:
        text = f"{folder} is not empty: it holds an earlier output. Choose another folder, or overwrite it."
        raise OutputError(text, argument="overwrite")
    return True


def check_directory(path: str | os.PathLike) -> None:
    """Raises OutputError if `path` is a file, or cannot be written to."""
    path = _folder_place(path)
    _try_to_write(path, path)


def _try_to_write(path: Path, folder: Path) -> None:
    """Makes and removes a file in `folder`, or in the nearest folder above it that exists."""
    folder = _nearest(folder)
    try:
        with unfinished.new_part(path, folder, is_folder=False):
            pass
    except OSError as error:
        raise OutputError(_impossible(path, folder, error)) from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path`, atomically."""
    with atomic_file(path, len(data)) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def _part(path: Path, folder: Path, is_folder: bool, kept: str, size: int | None = None) -> Iterator[Path]:
    """A part of `path` in `folder`; errors name `path` instead of the part."""
    if unfinished.is_in_part(path):  # the part that contains it is already handled as a whole
        with unfinished.new_part(path, folder, is_folder) as part:
            yield part
        return
    with contextlib.ExitStack() as stack:
        try:
            part = stack.enter_context(unfinished.new_part(path, folder, is_folder))
        except OSError as error:
            raise OutputError(_impossible(path, folder, error)) from error
        _make_way(path, part, is_folder)
        try:
            yield part
        except Exception as error:
            refused = as_os_error(error)
            if refused is None or not (_is_about(refused, part) or _path_of(refused) == str(path)):
                raise
            raise OutputError(_unwritten(path, part, refused, kept, size)) from error


def _make_way(path: Path, part: Path, is_alone: bool) -> None:
    """Removes leftovers of killed processes; several processes may write a file, but only one a folder."""
    busy = [unfinished.clear_parts(path, folder, but=part) for folder in dict.fromkeys((part.parent, path.parent))]
    if is_alone and any(busy):
        who = unfinished.writer(next(filter(None, busy)))
        raise OutputError(f"Another odtk ({who}) is writing {path}. Wait for it, or choose another folder.")


def _is_about(refused: OSError, place: Path) -> bool:
    named = _path_of(refused)
    if named is None:
        return refused.errno in _OF_WRITING
    return Path(os.path.realpath(named)).is_relative_to(place)


def _path_of(refused: OSError) -> str | None:
    named = refused.filename2 or refused.filename
    return os.fsdecode(named) if isinstance(named, (str, bytes, os.PathLike)) else None


def _unwritten(path: Path, part: Path, refused: OSError, kept: str, size: int | None) -> str:
    if refused.errno not in FULL:
        return f"{describe(refused, path)} Nothing was written: {kept}."
    written = sum(file.lstat().st_size for file in [part, *part.rglob("*")] if not file.is_dir())
    needed = f"It needs {in_bytes(size)}" if size else f"It needs more than the {in_bytes(written)} written so far"
    free = in_bytes(shutil.disk_usage(part.parent).free + written)
    return f"{describe(refused, path)} {needed}, and the disk of {part.parent} has {free}; {kept}."


def _appear(part: Path, path: Path) -> None:
    try:
        os.replace(part, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise OutputError(
            f"{path} was made by another process in the meantime, and is left as it is. Choose another folder."
        ) from error


def _fill(folder: Path, new: Path) -> None:
    # The file that was written last marks the output as complete: it is removed first and added last.
    for old in reversed(_by_age(unfinished.contents(folder))):
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    for child in _by_age(new.iterdir()):
        os.replace(child, folder / child.name)


def _by_age(paths) -> list[Path]:
    return sorted(paths, key=lambda path: path.lstat().st_mtime_ns)


def _real(path: str | os.PathLike) -> Path:
    """The path with links resolved; OutputError if they form a loop, or a name is too long."""
    real = Path(os.path.realpath(path))
    try:
        mode = real.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return real
    except OSError as error:
        raise OutputError(describe(error, path)) from error
    if stat.S_ISLNK(mode):
        raise OutputError(describe(OSError(errno.ELOOP, ""), path))
    return real


def _file_place(path: str | os.PathLike) -> Path:
    path = _real(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder, but a file is to be written. Choose a file.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a device or a pipe, which is not replaced by a file. Choose a file.")
    return path


def _folder_place(path: str | os.PathLike) -> Path:
    path = _real(path)
    if path.exists() and not path.is_dir():
        raise OutputError(
            f"{path} is a file, but a folder is to be written. Choose another folder, or remove the file."
        )
    return path


def _make_folder(folder: Path, path: Path) -> None:
    """Makes the folder for `path`, or for a part of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(_impossible(path, _nearest(folder), error)) from error


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _impossible(path: Path, folder: Path, error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"The folder {path.parent} cannot be made: a part of that path is a file. Choose another path."
    if error.errno == errno.ENOENT:  # as in /proc
        return f"{path} cannot be written: {folder} does not accept new files. Choose another path."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"No permission to write to the folder {folder}. Choose another path, or change its permissions."
    return f"{describe(error, path)} Nothing was written."
