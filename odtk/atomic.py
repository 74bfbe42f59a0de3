"""Outputs that appear whole or not at all: written beside their place, then renamed into it."""

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

# What is said of no file by name, and is about the one that is written.
_OF_WRITING = (*FULL, errno.EFBIG, errno.EROFS)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike, size: int | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is renamed to `path`, on any error it is removed.

    A link is followed: what it points to is replaced. A file that is replaced hands on its permissions. Raises
    OutputError at the start where no file can be written there, and where the disk is full later; it then names `size`,
    the bytes that are needed, where given.
    """
    path = _file_place(path)
    _make_folder(path.parent, path)
    kept = f"the old {path.name} is untouched" if path.exists() else f"there is no {path.name}"
    with _part(path, path.parent, False, kept, size) as part:
        yield part
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        os.replace(part, path)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that becomes `path` on success and is removed on any error.

    An existing non-empty `path` raises OutputError before anything is written, unless `replace` is true: then its
    contents are swapped for the new ones at the very end. An existing folder is filled, not replaced: it may be a link,
    a mount or where the shell stands. OutputError is raised, too, where another process writes the same output, and
    where the disk is full. What a killed process left of it is removed, and counts as nothing.
    """
    path = _folder_place(path)
    exists = path.is_dir()
    if exists and not replace and unfinished.contents(path):
        raise OutputError(f"{path} is not empty. Name another folder, or empty it first.")
    _make_folder(path if exists else path.parent, path)
    kept = f"what {path} held is untouched" if exists and replace else "nothing is left behind"
    with _part(path, path if exists else path.parent, True, kept) as part:
        yield part
        if exists:
            _fill(path, part)
        else:
            _appear(part, path)


@contextlib.contextmanager
def growing_folder(path: str | os.PathLike, kept: str) -> Iterator[Path]:
    """Yields the folder `path`, made where it is absent, for the block to write to bit by bit.

    Raises OutputError where it cannot be written to or another process has it in this way, and where the disk is full
    later; `kept` then says what is there all the same ("Earlier checkpoints are untouched.").
    """
    path = _folder_place(path)
    is_new = not path.exists()
    _make_folder(path, path)
    try:
        _try_to_write(path, path)
        with unfinished.locked_folder(path) as is_mine:
            if not is_mine:
                raise OutputError(
                    f"{path} is being written to by another odtk. Wait for it or stop it, or name another folder."
                )
            with answering(path, kept):
                yield path
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is empty where nothing came of it
                path.rmdir()


@contextlib.contextmanager
def answering(folder: Path, kept: str) -> Iterator[None]:
    """An OSError about `folder`, by name or because the disk is full, as an OutputError that also says `kept`."""
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
    """Raises OutputError where no file can be written to `path`: before the work whose result is to go there.

    Without `overwrite` a file that exists is refused, too.
    """
    if os.path.isfile(path) and not overwrite:
        raise OutputError(f"{os.fspath(path)} exists. Name another file, or replace it with --overwrite.")
    path = _file_place(path)
    _try_to_write(path, path.parent)


def may_replace(
    folder: str | os.PathLike, names: Sequence[str], ours: Sequence[str], mark: str, overwrite: bool
) -> bool:
    """Whether a folder that holds `names` is an earlier output, to be replaced; False where it holds nothing.

    `ours` are patterns of what an output has, `mark` is in every whole one. Raises OutputError where there is anything
    else, and, unless `overwrite`, where it is an earlier output.
    """
    if not names:
        return False
    foreign = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ours)]
    if foreign or mark not in names:
        held = f"{foreign[0]}, which is no output of this command" if foreign else f"no {mark}"
        raise OutputError(f"{folder} is not empty and has {held}. Name another folder, or empty it first.")
    if not overwrite:
        raise OutputError(
            f"{folder} is not empty: it holds an earlier output. Replace it with --overwrite, or name another folder."
        )
    return True


def check_directory(path: str | os.PathLike) -> None:
    """Raises OutputError where `path` is a file, or nothing can be written there."""
    path = _folder_place(path)
    _try_to_write(path, path)


def _try_to_write(path: Path, folder: Path) -> None:
    """Makes a file, which goes at once, in `folder` or what there is of the path to it."""
    folder = _nearest(folder)
    try:
        with unfinished.new_part(path, folder, is_folder=False):
            pass
    except OSError as error:
        raise OutputError(_impossible(path, folder, error)) from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically."""
    data = text.encode()
    with atomic_file(path, len(data)) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def _part(path: Path, folder: Path, is_folder: bool, kept: str, size: int | None = None) -> Iterator[Path]:
    """A part of `path` in `folder`; what goes wrong with it is said of `path`."""
    if unfinished.is_in_part(path):  # of a whole that is looked after
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
    """Removes what killed processes left; of files that several write the last one stays, a folder is for one."""
    busy = [unfinished.clear_parts(path, folder, but=part) for folder in dict.fromkeys((part.parent, path.parent))]
    if is_alone and any(busy):
        who = unfinished.writer(next(filter(None, busy)))
        raise OutputError(f"{path} is being written by another odtk, {who}. Wait for it, or name another folder.")


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
            f"{path} has come into being meanwhile, by another process, and is left as it is. Name another folder."
        ) from error


def _fill(folder: Path, new: Path) -> None:
    # What was written last says of the rest that it is whole: it goes first, and comes last.
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
    """The path that links lead to; OutputError where they lead in a circle, or a name is too long."""
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
        raise OutputError(f"{path} is a folder; a file is written here. Name a file.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a device or a pipe, which a file would replace. Name a file.")
    return path


def _folder_place(path: str | os.PathLike) -> Path:
    path = _real(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; a folder is written here. Name another folder, or remove the file.")
    return path


def _make_folder(folder: Path, path: Path) -> None:
    """Makes the folder in which `path`, or a part of it, is to be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(_impossible(path, _nearest(folder), error)) from error


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _impossible(path: Path, folder: Path, error: OSError) -> str:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"The folder {path.parent} cannot be made: a part of that path is a file. Name another place."
    if error.errno == errno.ENOENT:  # as in /proc
        return f"{path} cannot be written: {folder} takes no new files. Name another place."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"The folder {folder} may not be written to. Name another place, or change its permissions."
    return f"{describe(error, path)} Nothing was written."
