"""Unpacks a tar (of any compression, or none) or a zip: nothing gets out of the folder, and nothing but files in it."""

from __future__ import annotations

import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from odtk.errors import DownloadError
from odtk.progress import track

TAR, ZIP = "tar", "zip"

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, NotImplementedError)
_DRIVE = re.compile(r"[A-Za-z]:")
_CLEANED = "._"  # files of macOS beside others, of which the Pet archives have many


def kind_of_archive(path: Path) -> str | None:
    """TAR, ZIP or None, by the contents: an archive called .tar.gz may be a plain tar."""
    if zipfile.is_zipfile(path):
        return ZIP
    try:
        return TAR if tarfile.is_tarfile(path) else None
    except (EOFError, OSError, zlib.error, LZMAError):
        return None


def top_folder(path: Path) -> str:
    """The folder that an archive's first file lies in; "" if there is none. Raises DownloadError if it is damaged."""
    try:
        for name in _names(path):
            parts = PurePosixPath(name).parts
            if len(parts) > 1:
                return parts[0]
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    return ""


def _names(path: Path) -> Iterator[str]:
    if kind_of_archive(path) == ZIP:
        with zipfile.ZipFile(path) as archive:
            yield from archive.namelist()
    else:
        with tarfile.open(path) as archive:
            yield from (member.name for member in archive)


def unpack(path: Path, folder: Path) -> int:
    """Unpacks an archive into an empty folder, and returns the number of files.

    Where all lies in one folder of the archive, its contents are what is unpacked. Raises DownloadError for an archive
    that is damaged, or that holds links, devices or names outside its own folder.
    """
    kind = kind_of_archive(path)
    if kind is None:
        raise DownloadError(f"{path} {not_an_archive(path)}.")
    size = max(path.stat().st_size // 10**6, 1)
    try:
        with track(f"Unpacking {path.name}", size, "MB") as progress, open(path, "rb") as file:
            count = 0
            for _ in (_zip if kind == ZIP else _tar)(path, file, folder):
                count += 1
                completed = min(file.tell() // 10**6, size)
                if completed != progress.completed:
                    progress.update(completed)
            progress.update(size)
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    lift(folder)
    return count


def not_an_archive(path: Path) -> str:
    """What a file is that is no archive, as a part of a sentence."""
    with open(path, "rb") as file:
        head = file.read(200)
    is_page = head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
    return "is a web page, not an archive" if is_page else "is neither a tar nor a zip archive"


def _tar(path: Path, file, folder: Path) -> Iterator[None]:
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in archive:
            _require_inside(path, member.name)
            if not (member.isfile() or member.isdir()):
                raise DownloadError(f"{path} is not unpacked: {member.name} in it is a link or a device, not a file.")
            if is_wanted(member.name) and member.isfile():
                _extract(archive, member, folder)
                yield


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        archive.extract(member, folder, filter="data")
        return
    # The first releases of Python 3.10 and 3.11 have no filters: names were checked, and the mode is not taken over.
    target, source = folder / member.name, archive.extractfile(member)
    assert source is not None, "only files are extracted"
    _write(source, target)


def _zip(path: Path, file, folder: Path) -> Iterator[None]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            _require_inside(path, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DownloadError(f"{path} is not unpacked: {member.filename} in it is a link, not a file.")
            if member.flag_bits & 1:
                raise DownloadError(f"{path} is encrypted. Unpack it yourself, and name the folder.")
            if is_wanted(member.filename) and not member.is_dir():
                with archive.open(member) as source:
                    _write(source, folder / member.filename)
                yield


def _write(source, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as file:
        while block := source.read(1 << 20):
            file.write(block)


def is_wanted(name: str) -> bool:
    """Whether a file of an archive is not one that macOS put beside the files."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not parts[-1].startswith(_CLEANED) and parts[0] != "__MACOSX"


def leads_outside(name: str) -> bool:
    """Whether the name of a file of an archive is a place outside its folder."""
    plain = name.replace("\\", "/")
    return plain.startswith("/") or bool(_DRIVE.match(plain)) or ".." in plain.split("/")


def _require_inside(path: Path, name: str) -> None:
    if leads_outside(name):
        raise DownloadError(f"{path} is not unpacked: its file {name} would lie outside the folder.")


def lift(folder: Path) -> None:
    """Moves the contents of the only folder in `folder`, if that is all there is, up into it."""
    found = list(folder.iterdir())
    if len(found) != 1 or not found[0].is_dir():
        return
    only = found[0].rename(folder / ".only")  # it may hold something of its own name
    for child in list(only.iterdir()):
        os.replace(child, folder / child.name)
    only.rmdir()


def _damaged(path: Path, error: BaseException) -> DownloadError:
    return DownloadError(f"{path} is damaged: {error or type(error).__name__}. Download it again.")
