"""Puts an archive's contents where they belong: from a file or the network, into a folder that appears as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import atomic, unfinished
from odtk.downloads import Timing, Wanted, fetch, kind_of_archive, unpack
from odtk.downloads.fetching import Fetched, as_saved, sha256_of, why_wrong
from odtk.downloads.unpacking import not_an_archive
from odtk.errors import DownloadError, OutputError
from odtk.listed_files import files_below, refuse_others
from odtk.tools.download.catalog import Archive

_SCHEME = re.compile(r"[a-z]+://")


@dataclass(frozen=True)
class Downloaded:
    """One archive that was unpacked, or that had been before."""

    folder: str
    archive: str
    address: str | None  # None: from a file, or it was here
    size: int | None = None  # bytes; None if it was here
    sha256: str | None = None
    is_verified: bool = False  # against a known checksum
    resumed_at: int = 0  # bytes of an earlier, broken download
    was_here: bool = False


@dataclass(frozen=True)
class Place:
    """Where things are downloaded to, and how."""

    folder: Path
    mirrors: Sequence[str] = ()
    keep_archive: bool = False
    overwrite: bool = False
    log: Callable[[str], None] = lambda line: None
    timing: Timing | None = None


def put_in_place(archive: Archive, given: str | None, place: Place) -> Downloaded:
    """Unpacks one archive into place.folder/archive.folder; what was unpacked before stays unless it is overwritten."""
    target = place.folder / archive.folder
    if _is_here(archive, target, place.overwrite):
        place.log(f"{target} is here already.")
        return Downloaded(str(target), archive.archive, None, was_here=True)
    atomic.check_directory(target)
    wanted = _wanted(archive, place.mirrors)
    found = _from_file(wanted, given) if given else fetch(wanted, place.folder, place.timing, place.log)
    if not given and found.address is None:
        place.log(f"note: {found.path} was here already: it is unpacked, nothing is downloaded, and it stays.")
    if not found.is_verified:
        place.log(f"note: no checksum known for {archive.archive} as it is here; its SHA-256 is {found.sha256}.")
    _unpack(archive, found, target, place, is_given=given is not None)
    return Downloaded(
        str(target), archive.archive, found.address, found.size, found.sha256, found.is_verified, found.resumed_at
    )


def _is_here(archive: Archive, target: Path, overwrite: bool) -> bool:
    """Whether the contents are there and stay. Raises OutputError if something else is."""
    if not target.is_dir() or not unfinished.contents(target):
        return False
    if not any(target.glob(archive.mark)):
        raise OutputError(
            f"{target} is there, and is not what {archive.archive} holds: there is no {archive.mark} in it. Choose "
            "another folder, or remove it.",
            argument="dir",
        )
    return not overwrite


def _wanted(archive: Archive, mirrors: Sequence[str]) -> Wanted:
    addresses = [_in_mirror(mirror, archive.archive) for mirror in mirrors]
    return Wanted(archive.archive, [*addresses, *archive.addresses], archive.sha256, archive.size, _why_no_archive)


def _in_mirror(mirror: str, name: str) -> str:
    if not _SCHEME.match(mirror):
        raise DownloadError(f"'{mirror}' is no address, such as https://example.org/files.", argument="mirror")
    return mirror if mirror.rpartition("/")[2] == name else f"{mirror.rstrip('/')}/{name}"


def _why_no_archive(path: Path) -> str | None:
    return None if kind_of_archive(path) else not_an_archive(path)


def _from_file(wanted: Wanted, given: str) -> Fetched:
    path = Path(given)
    if not path.is_file():
        raise DownloadError(f"{given} is not a file. Name the archive itself.", argument="from_files")
    expected = as_saved(wanted, path)
    digest = sha256_of(path)
    if reason := why_wrong(expected, path, digest):
        raise DownloadError(f"{given} {reason}. Get it again.", argument="from_files")
    return Fetched(path, None, path.stat().st_size, digest, expected.sha256 is not None)


def _unpack(archive: Archive, found: Fetched, target: Path, place: Place, is_given: bool) -> None:
    is_ours = found.address is not None  # downloaded just now; another one is the user's
    try:
        with atomic.atomic_directory(target, replace=place.overwrite) as part:
            unpack(found.path, part)
            if not any(part.glob(archive.mark)):
                raise DownloadError(f"{found.path} is not {archive.archive}: there is no {archive.mark} in it.")
            if target.is_dir():  # an earlier one, into which files of the user's own may have been put
                refuse_others(target, files_below(part))
    except DownloadError as error:
        if is_ours:  # or the next attempt would begin with the same bytes
            found.path.unlink(missing_ok=True)
        elif not is_given:
            raise DownloadError(f"{error} It was here before, and stays: remove it.") from error
        raise
    if is_ours and not place.keep_archive:
        found.path.unlink(missing_ok=True)
