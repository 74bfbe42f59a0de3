"""A zip of files, made while it is sent: nothing of it is kept in memory or on the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK = 1 << 20


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


def zip_stream(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """A zip of files under the names given, piece by piece. Not compressed: weights and pictures hardly shrink."""
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files:
            entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            with open(path, "rb") as file, archive.open(entry, "w", force_zip64=entry.file_size > 1 << 30) as target:
                while chunk := file.read(_CHUNK):
                    target.write(chunk)
                    yield sent.take()
    yield sent.take()


def files_below(folder: Path, prefix: str) -> list[tuple[str, Path]]:
    """The files below a folder with their names in a zip, below `prefix`; links and hidden files are left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    pairs = [(path.relative_to(folder), path) for path in found]
    return [(f"{prefix}/{name.as_posix()}", path) for name, path in pairs if not name.name.startswith(".")]
