"""Uploaded zips: what is in one becomes a folder of the workspace, or nothing does."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from odtk.atomic import atomic_directory
from odtk.downloads.unpacking import is_wanted, leads_outside, lift
from odtk.errors import DataError
from odtk.web.workspace import Workspace, valid_name

MAX_UPLOAD = 2 * 10**9
"""Bytes of a zip."""

_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, RuntimeError)
_REGULAR = (0, stat.S_IFREG, stat.S_IFDIR)
_LONGEST_PATH, _DEEPEST = 1000, 40


@dataclass(frozen=True)
class Limits:
    """What a zip may become; a bomb is small and becomes much."""

    files: int = 500_000
    size: int = 20 * 10**9  # bytes of all files
    ratio: float = 100.0  # bytes unpacked to a byte of the zip, beyond `always`
    always: int = 200 * 10**6  # bytes that any zip may become
    listing: int = 150 * 10**6  # bytes of the zip's own list of files, which is read into memory

    def most_of(self, size: int) -> int:
        """Bytes that a zip of `size` bytes may become."""
        return min(self.size, max(self.always, int(self.ratio * size)))


def name_of_upload(given: str, filename: str) -> str:
    """The name of the folder: the given one, or else one made of the file's; OdtkError if it cannot be one."""
    stem = re.split(r"[/\\]", filename)[-1]
    made = re.sub("[^A-Za-z0-9_.-]+", "-", re.sub(r"(?i)\.zip$", "", stem)).strip("-._")
    return valid_name(given or made[:64] or "upload", "A dataset")


def unpack_upload(workspace: Workspace, file: BinaryIO, name: str, limits: Limits | None = None) -> Path:
    """Unpacks a zip to data/NAME, which appears when all is there; returns it.

    Only files appear, at their names inside. Raises DataError, and nothing is left behind, for what is no zip, for
    names that lead out of the folder, links, devices, encrypted files, and more than `limits`; OutputError if data/NAME
    is not empty.
    """
    target = workspace.data / name
    limits = limits or Limits()
    with atomic_directory(target) as part:
        try:
            _unpack(file, part, limits)
        except _DAMAGED as error:
            raise DataError(f"This zip is damaged, or of a kind that is not read: {error}.") from error
        lift(part)
    return target


def _unpack(file: BinaryIO, folder: Path, limits: Limits) -> None:
    size = file.seek(0, 2)
    _check_listing(file, size, limits)
    with zipfile.ZipFile(file) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and is_wanted(each.filename)]
        left = _check(members, size, limits, folder)
        for member in members:
            left = _write(archive, member, folder / member.filename.replace("\\", "/"), left)


def _check_listing(file: BinaryIO, size: int, limits: Limits) -> None:
    """Refuses a zip whose list of files would need much memory, before it is read."""
    file.seek(max(size - (1 << 16) - 100, 0))
    end = file.read()
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + 22:
        raise DataError("This is no zip. Upload a zip of the folder with the images and annotations.")
    entries, listed = struct.unpack_from("<HL", end, at + 10)
    for more_entries, more_listed in _large_listings(file, end, at):
        entries, listed = max(entries, more_entries), max(listed, more_listed)
    if listed > limits.listing or entries > limits.files:
        raise DataError(f"This zip has {entries:,} files; at most {limits.files:,} are unpacked.{_YOURSELF}")


def _large_listings(file: BinaryIO, end: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Files and bytes of the list as zip64 states them, before the end of the zip or where that says it is."""
    heads = [end[max(at - 76, 0) : at]]
    if at >= 20 and end[at - 20 : at - 16] == b"PK\x06\x07":
        file.seek(min(struct.unpack_from("<Q", end, at - 12)[0], 1 << 62))
        heads.append(file.read(56))
    for head in heads:
        found = head.find(b"PK\x06\x06")
        if found >= 0 and len(head) >= found + 48:
            yield struct.unpack_from("<QQ", head, found + 32)


_YOURSELF = " Unpack it yourself, into the workspace's folder data or below a --root."


def _check(members: list[zipfile.ZipInfo], size: int, limits: Limits, folder: Path) -> int:
    """Checks what the zip says of its files; returns how many bytes may be unpacked."""
    for member in members:
        _check_member(member)
    if not members:
        raise DataError("There is no file in this zip.")
    stated, most = sum(member.file_size for member in members), limits.most_of(size)
    if len(members) > limits.files or stated > most:
        raise DataError(
            f"This zip of {size:,} bytes becomes {len(members):,} files of {stated:,} bytes; at most {limits.files:,} "
            f"files and {most:,} bytes are unpacked from it.{_YOURSELF}"
        )
    free = shutil.disk_usage(folder).free
    if stated > free:
        raise DataError(f"Unpacked, this zip needs {stated:,} bytes; its disk has {free:,} free.")
    return most


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename.replace("\\", "/")
    parts = name.split("/")
    said = f"This zip is not unpacked: {member.filename[:200]!r} in it"
    if leads_outside(name):
        raise DataError(f"{said} would lie outside the folder.")
    if any(ord(letter) < 32 for letter in name) or len(name) > _LONGEST_PATH or len(parts) > _DEEPEST:
        raise DataError(f"{said} has a name that no file should have.")
    if stat.S_IFMT(member.external_attr >> 16) not in _REGULAR:
        raise DataError(f"{said} is a link or a device, not a file.")
    if member.flag_bits & 1:
        raise DataError(f"{said} is encrypted. Make a zip without a password.")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Writes one file; returns how many bytes may still be unpacked, whatever the zip said of its files."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, open(path, "xb") as file:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise DataError("This zip becomes more than it says of itself, and is not unpacked.")
                file.write(block)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        name = member.filename[:200]
        raise DataError(f"This zip has {name!r} twice, as two files or as a file and a folder.") from error
    return left
