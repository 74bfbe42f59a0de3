"""Files on this machine and in object stores: paths with `://` go through TensorFlow's file systems.

TensorFlow is only imported for such a path. An object in a store appears when it is closed, so single files are written
atomically there too; folders are not, which is why dataset.json is written last.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from odtk import atomic, unfinished
from odtk.atomic import atomic_directory, atomic_file
from odtk.errors import DataError, OutputError

UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".hif", ".avifs", ".jxl", ".jxr", ".tga", ".pcx", ".ico", ".exr", ".hdr", ".dcm", ".dicom"),
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
)
"""Suffixes of images that odtk cannot decode: such files are listed, and reported as unusable."""

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".pjpeg", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp"),
    *(".tif", ".tiff", ".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"),
    *UNREAD_SUFFIXES,
)
"""Suffixes of image files, in lower case; the actual format is detected from the contents."""

MAX_TEXT_BYTES = 128 * 2**20
"""Limit for a text that is read as a whole: enough for a list of two million images."""

MAX_IMAGE_BYTES = 2**30
"""Limit for an image file: twice the size of the largest allowed image, uncompressed and with 16 bits."""

_APPEARING_WHEN_CLOSED = ("gs://", "s3://")  # renaming would copy there
_AT_ONCE = 32  # reading small files from a store is mostly waiting


def is_remote(path: str | os.PathLike) -> bool:
    """Whether a path is in an object store, such as `gs://bucket/folder`."""
    return "://" in os.fspath(path)


def join(folder: str | os.PathLike, name: str) -> str:
    """The path of a file or folder in a folder, local or in a store."""
    return f"{os.fspath(folder).rstrip('/')}/{name}" if is_remote(folder) else os.path.join(folder, name)


def as_path(path: str | os.PathLike) -> Path | str:
    """A Path, or the text of a path in a store, which a Path would change."""
    return os.fspath(path) if is_remote(path) else Path(path)


def exists(path: str | os.PathLike) -> bool:
    """Whether there is a file or a folder."""
    if not is_remote(path):
        return os.path.exists(path)
    with _os_errors():
        return _gfile().exists(os.fspath(path))


def is_folder(path: str | os.PathLike) -> bool:
    """Whether there is a folder; in a store without folders: whether any path begins with it."""
    if not is_remote(path):
        return os.path.isdir(path)
    with _os_errors():
        return _gfile().isdir(os.fspath(path))


def read_text(path: str | os.PathLike) -> str:
    """The contents of a UTF-8 file; OSError or UnicodeDecodeError if it cannot be read."""
    return read_bytes(path).decode()


def read_bytes(path: str | os.PathLike) -> bytes:
    """The contents of a file; OSError if it cannot be read or, for a local file, is larger than MAX_IMAGE_BYTES."""
    if not is_remote(path):
        return read_bounded(path, MAX_IMAGE_BYTES)
    with _os_errors(), _gfile().GFile(os.fspath(path), "rb") as file:
        return file.read()


def read_bounded(path: str | os.PathLike, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The contents of a local file. OSError, whose `strerror` says why, if it has more than `max_bytes`.

    Pipes and devices, which may never end, are refused in the same way.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            why = "it is a pipe or a device, but a file is expected: save its contents to a file"
            raise OSError(errno.EINVAL, why, os.fspath(path))
        if found.st_size > max_bytes:
            why = f"it has more than {max_bytes // 2**20} MiB, too much for this kind of file"
            raise OSError(errno.EFBIG, why, os.fspath(path))
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe without a writer would block.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextlib.contextmanager
def create(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yields a file to write bytes to, which appears when the block ends; a local one only without an error."""
    if is_remote(path):
        path = os.fspath(path)
        at_once = path.startswith(_APPEARING_WHEN_CLOSED)
        part = path if at_once else join(path.rpartition("/")[0], unfinished.part_name(path.rpartition("/")[2]))
        with _os_errors():
            with _gfile().GFile(part, "wb") as file:
                file.write(b"")  # it is only opened by the first write, and empty files must exist too
                yield file
            if not at_once:
                _gfile().rename(part, path, overwrite=True)
    else:
        with atomic_file(path) as temporary, open(temporary, "wb") as file:
            yield file


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file as a whole, in a folder that is made if needed; a file that is there is replaced."""
    if not is_remote(path):
        atomic.write_bytes(path, data)
        return
    with create(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8; see write_bytes."""
    write_bytes(path, text.encode())


def append_lines(path: str | os.PathLike, lines: Iterable[str]) -> None:
    """Adds lines to the end of a text that may not exist yet: all of them, or none.

    Stores cannot append: the file is read and written again there.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    if is_remote(path):
        write_bytes(path, (read_bytes(path) if exists(path) else b"") + data)
        return
    with open(path, "ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            if file.write(data) != len(data):  # there was space for a part of it
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def replace(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Renames a file, over one that is there; both are in one file system."""
    if is_remote(target):
        with _os_errors():
            _gfile().rename(os.fspath(source), os.fspath(target), overwrite=True)
    else:
        os.replace(source, target)


def remove(path: str | os.PathLike) -> None:
    """Removes a file, if it is there."""
    if is_remote(path):
        with _os_errors():
            if _gfile().exists(os.fspath(path)):
                _gfile().remove(os.fspath(path))
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


@contextlib.contextmanager
def output_folder(path: str | os.PathLike, replace: bool = False) -> Iterator[str | Path]:
    """Yields the folder to write to: a temporary one that becomes `path` at the end, or in a store `path` itself.

    Raises OutputError if `path` is not empty, unless `replace` is true. On an error, everything written is removed.
    """
    if not is_remote(path):
        with atomic_directory(path, replace) as here:
            yield here
        return
    gfile, folder = _gfile(), os.fspath(path).rstrip("/")
    with _os_errors(OutputError, folder):
        if gfile.isdir(folder) and gfile.listdir(folder):
            if not replace:
                raise OutputError(f"{folder} is not empty. Choose another folder, or empty it first.")
            gfile.rmtree(folder)
        gfile.makedirs(folder)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(Exception):
            gfile.rmtree(folder)
        raise


def names_in(folder: str | os.PathLike) -> list[str]:
    """The names in a folder, sorted, without unfinished outputs; empty if there is no folder."""
    if not is_remote(folder):
        return [path.name for path in unfinished.contents(folder)] if os.path.isdir(folder) else []
    with _os_errors(DataError, folder):
        gfile, folder = _gfile(), os.fspath(folder)
        names = [name.rstrip("/") for name in gfile.listdir(folder)] if gfile.isdir(folder) else []
        return sorted(name for name in names if not unfinished.is_part(name) and name != unfinished.LOCK_NAME)


def remote_facts(path: str | os.PathLike) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change (ns) of a file in a store, or of all files below a folder; sorted."""
    gfile, path = _gfile(), os.fspath(path).rstrip("/")
    with _os_errors():
        if not gfile.exists(path):
            return []
        found = [join(place, name) for place, _, names in gfile.walk(path) for name in names if name]
        stats = {name: gfile.stat(name) for name in sorted(found or [path])}
    return [(name, stat.length, stat.mtime_nsec) for name, stat in stats.items()]


def make_folder(folder: str | os.PathLike) -> None:
    """Makes a folder and its parents."""
    if is_remote(folder):
        with _os_errors(OutputError, folder):
            _gfile().makedirs(os.fspath(folder))
    else:
        os.makedirs(folder, exist_ok=True)


def remove_folder(folder: str | os.PathLike) -> None:
    """Removes a folder with its contents."""
    if is_remote(folder):
        with _os_errors(OutputError, folder):
            _gfile().rmtree(os.fspath(folder))
    else:
        shutil.rmtree(folder)


def mirror(remote: str, folder: Path, images: bool = False) -> None:
    """Copies all files below `remote`, a folder in a store, to `folder`; image files are empty there unless `images`.

    So a dataset's annotations can be read locally, while its images, which may be too many, stay in the store.
    Raises DataError if `remote` is not a folder, or cannot be read.
    """
    gfile, remote = _gfile(), remote.rstrip("/")
    with _os_errors(DataError, remote), ThreadPoolExecutor(_AT_ONCE) as pool:
        if not gfile.isdir(remote):
            raise DataError(f"{remote} is not a folder, or cannot be read. Give the folder of the dataset.")
        copies = [pool.submit(_copy, source, target, images) for source, target in _below(remote, folder)]
        for copy in copies:
            copy.result()


def _below(remote: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for place, _, names in _gfile().walk(remote):
        inner = place.rstrip("/")[len(remote) :].strip("/")
        for name in filter(None, names):
            target = folder / inner / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise DataError(f"{place} has a file named {name!r}, which leads out of the dataset's folder.")
            yield join(place, name), target


def _copy(source: str, target: Path, images: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    is_image = target.suffix.lower() in IMAGE_SUFFIXES
    target.write_bytes(read_bytes(source) if images or not is_image else b"")


def _gfile():
    import tensorflow as tf

    return tf.io.gfile


@contextlib.contextmanager
def _os_errors(kind: type[Exception] = OSError, path: object = None) -> Iterator[None]:
    """Raises TensorFlow's errors as `kind`; an OSError's `strerror` is the first line of TensorFlow's message."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        first_line = (error.message or type(error).__name__).splitlines()[0]
        raise (OSError(0, first_line) if kind is OSError else kind(f"{path}: {first_line}.")) from error
