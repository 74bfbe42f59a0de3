"""A zip of files, made while it is sent: nothing of it is kept in memory or on the disk."""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from odtk.errors import OdtkError

_CHUNK = 1 << 20
_TRIES, _PAUSE = 10, 0.1  # seconds: a checkpoint or an export is replaced at once, or nearly so

Listed = list[tuple[str, Path]]
"""Files with their names in a zip."""


class _Sent(io.RawIOBase):
    """What was written since the last `take`; as it cannot seek, zipfile writes each file's size behind it."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        written, self._written = b"".join(self._written), []
        return written


def opened(listed: Callable[[], Listed]) -> list[tuple[str, BinaryIO]]:
    """Opens all files of a list that belong together, so that what is replaced while they are sent is sent as it was.

    The list is made again until it is the same before and after. Raises OdtkError if it never is.
    """
    for _ in range(_TRIES):
        files = listed()
        with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
            found: list[tuple[str, BinaryIO]] = []
            for name, path in files:
                found.append((name, stack.enter_context(open(path, "rb"))))
            if files and listed() == files and all(map(_is_still, found, files)):
                stack.pop_all()
                return found
        time.sleep(_PAUSE)
    raise OdtkError("The files are being replaced just now. Download them again in a few seconds.")


def _is_still(found: tuple[str, BinaryIO], listed: tuple[str, Path]) -> bool:
    return os.path.samestat(os.fstat(found[1].fileno()), os.stat(listed[1]))


def zip_stream(files: Iterable[tuple[str, BinaryIO]]) -> Iterator[bytes]:
    """A zip of files under the names given, piece by piece. Not compressed: weights and pictures hardly shrink.

    Each file is closed once it is sent.
    """
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files:
            entry = _entry(name, os.fstat(file.fileno()))
            with file, archive.open(entry, "w", force_zip64=entry.file_size > 1 << 30) as target:
                while chunk := file.read(_CHUNK):
                    target.write(chunk)
                    yield sent.take()
    yield sent.take()


def _entry(name: str, stat: os.stat_result) -> zipfile.ZipInfo:
    """As ZipInfo.from_file makes it of a path, with a year that a zip can have."""
    year, month, day, hour, minute, second = time.localtime(stat.st_mtime)[:6]
    made = zipfile.ZipInfo(name, (min(max(year, 1980), 2107), month, day, hour, minute, second))
    made.external_attr, made.file_size = (stat.st_mode & 0xFFFF) << 16, stat.st_size
    return made


def files_below(folder: Path, prefix: str) -> Listed:
    """The files below a folder with their names in a zip, below `prefix`; links and hidden files are left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    pairs = [(path.relative_to(folder), path) for path in found]
    return [(f"{prefix}/{name.as_posix()}", path) for name, path in pairs if not name.name.startswith(".")]
