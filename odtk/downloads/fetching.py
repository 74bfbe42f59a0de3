"""Fetches one file from the first of several addresses that gives it, through broken connections and wrong bytes."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odtk.downloads.part_file import PartFile, Version
from odtk.downloads.request import (
    Answer,
    BrokenError,
    CompleteError,
    RefusedError,
    answer,
    broken,
    host_of,
    is_open_to_others,
)
from odtk.errors import DownloadError, OutputError
from odtk.progress import Progress, track
from odtk.system_errors import in_bytes

MIRROR_VARIABLE = "ODTK_MIRROR"
"""The environment's, with the address of a folder of archives."""
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Wanted:
    """A file to fetch. Without a checksum its bytes are believed, as long as `check` takes them."""

    name: str
    addresses: Sequence[str]
    sha256: str | None = None
    size: int | None = None  # bytes
    check: Callable[[Path], str | None] = lambda path: None
    """Why a complete file cannot be the wanted one, as a part of a sentence ("is ..."); None if it may be."""


@dataclass(frozen=True)
class Timing:
    """When to give up; tests have other numbers."""

    timeout: float = 30.0  # seconds without a byte
    window: float = 60.0  # seconds in which at least `least` bytes must come
    least: int = 100_000
    attempts: int = 5  # without any new byte, at one address
    first_wait: float = 1.0  # seconds before the second attempt, then twice as long each time
    longest_wait: float = 30.0
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True)
class Fetched:
    """A file that is here."""

    path: Path
    address: str | None  # None: it was here
    size: int  # bytes
    sha256: str
    is_verified: bool  # against a known checksum
    resumed_at: int = 0  # bytes that an earlier run had left


def fetch(
    wanted: Wanted,
    folder: Path,
    timing: Timing | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Fetched:
    """Fetches a file to `folder`/name; a complete one that is there already is checked and taken.

    What is left of a broken transfer is continued, also by a later call. Raises DownloadError, which names each
    address, what it answered and where to put the file, and OutputError if the disk is full or not writable.
    """
    target, timing = folder / wanted.name, timing or Timing()
    with PartFile(target).locked() as part:
        if target.is_file():
            found = _taken(wanted, target)
            part.discard()
            return found
        had, failures = part.size, []
        for address in wanted.addresses:
            if wanted.sha256 is None and is_open_to_others(address):
                log(_unprotected(wanted, address))
            try:
                digest = _Transfer(wanted, address, part, timing, log).run()
            except RefusedError as error:
                failures.append(f"{address}: {error}")
                log(f"warning: {host_of(address)} does not give {wanted.name}: {error}.")
                continue
            size = part.size
            part.finish()
            return Fetched(target, address, size, digest, wanted.sha256 is not None, had)
    raise DownloadError(_all_failed(wanted, failures, target))


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def as_saved(wanted: Wanted, path: Path) -> Wanted:
    """What is wanted of a file that a user has fetched: some browsers unpack what they save, and keep its name.

    The size and the checksum are those of other bytes then.
    """
    return replace(wanted, sha256=None, size=None) if _is_plain_tar(path) else wanted


def _is_plain_tar(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar"


def why_wrong(wanted: Wanted, path: Path, digest: str) -> str | None:
    """Why a complete file is not the wanted one; None if it is, as far as is known."""
    size = path.stat().st_size
    reason = wanted.check(path)
    if wanted.size is not None and size != wanted.size:
        return reason or f"has {size:,} bytes, where {wanted.size:,} are expected"
    if wanted.sha256 is not None and digest != wanted.sha256:
        return reason or f"has the SHA-256 {digest}, where {wanted.sha256} is expected"
    return reason


def _taken(wanted: Wanted, target: Path) -> Fetched:
    digest, wanted = sha256_of(target), as_saved(wanted, target)
    if reason := why_wrong(wanted, target, digest):
        raise DownloadError(f"{target} is there already, but {reason}. Remove it, and run the command again.")
    return Fetched(target, None, target.stat().st_size, digest, wanted.sha256 is not None)


def _unprotected(wanted: Wanted, address: str) -> str:
    return (
        f"warning: no checksum of {wanted.name} is known, and {address} is not encrypted: anyone on the way can "
        "change the file. Use an https address."
    )


def _all_failed(wanted: Wanted, failures: list[str], target: Path) -> str:
    tried = "".join(f"\n  {failure}" for failure in failures) or " there is no address of it."
    return (
        f"{wanted.name} could not be downloaded:{tried}\nGet the file in another way (a browser, another network, a "
        f"colleague), put it at {target}, and run the command again; or name a mirror that has it, in the variable "
        f"{MIRROR_VARIABLE}."
    )


class _Transfer:
    """One address: attempts until the file is here."""

    def __init__(self, wanted: Wanted, address: str, part: PartFile, timing: Timing, log):
        self._wanted, self._address, self._part, self._timing = wanted, address, part, timing
        self._log = log

    def run(self) -> str:
        """Returns the file's SHA-256; raises RefusedError."""
        failed, wait = 0, self._timing.first_wait
        while True:
            before = self._part.size
            try:
                self._attempt()
                return self._verified()
            except BrokenError as error:
                failed, wait = (1, self._timing.first_wait) if self._part.size > before else (failed + 1, wait)
                if failed >= self._timing.attempts:
                    raise RefusedError(f"{error} ({failed} attempts)") from error
                self._wait(error, wait)
                wait = min(2 * wait, self._timing.longest_wait)

    def _wait(self, error: BrokenError, seconds: float) -> None:
        seconds = max(seconds, error.wait)
        self._log(f"{host_of(self._address)}: {error}; trying again in {seconds:.0f} s.")
        self._timing.sleep(seconds)

    def _verified(self) -> str:
        digest = sha256_of(self._part.path)
        if reason := why_wrong(self._wanted, self._part.path, digest):
            self._part.restart()
            raise RefusedError(f"what it gives {reason}")
        return digest

    def _attempt(self) -> None:
        start, validator = self._resumable()
        try:
            has_checksum = self._wanted.sha256 is not None
            with answer(self._address, start, validator, self._timing.timeout, has_checksum) as found:
                self._check(found)
                self._part.begin(Version(self._address, found.validator, found.total), found.start)
                self._receive(found)
        except CompleteError:
            return

    def _resumable(self) -> tuple[int, str | None]:
        """Where to go on, and the version that must still be there; 0 where that would mix two files."""
        size, version = self._part.size, self._part.version
        if not size or (version.total is not None and size > version.total):
            return 0, None
        if version.address == self._address and version.validator:
            return size, version.validator
        # Another address, or a server without versions: the checksum will tell whether the parts fit.
        return (size, None) if self._wanted.sha256 else (0, None)

    def _check(self, found: Answer) -> None:
        expected = self._wanted.size
        if expected is not None and found.total is not None and found.total != expected:
            self._part.restart()
            raise RefusedError(f"its file has {found.total:,} bytes, where {expected:,} are expected")
        if found.start and self._part.version.total not in (None, found.total):
            self._part.restart()
            raise BrokenError("its file has another size now")
        free = shutil.disk_usage(self._part.path.parent).free
        if found.total is not None and found.total - found.start > free:
            raise OutputError(
                f"{self._part.target} needs {in_bytes(found.total - found.start)} more, and its disk has "
                f"{in_bytes(free)} free. Free some space, or choose a folder on another disk."
            )

    def _receive(self, found: Answer) -> None:
        unit, size = ("kB", 1000) if found.total and found.total < 2 * 10**7 else ("MB", 10**6)
        total = found.total and -(-found.total // size)
        at = found.start
        pace = _Pace(self._timing)
        with (
            open(self._part.path, "ab") as file,
            track(f"Downloading {self._wanted.name}", total, unit, at // size) as progress,
        ):
            while block := self._read(found):
                file.write(block)
                at += len(block)
                pace.count(len(block))
                _show(progress, at // size)
        if found.total is not None and at < found.total:
            raise BrokenError(f"the connection ended after {at:,} of {found.total:,} bytes")

    @staticmethod
    def _read(found: Answer) -> bytes:
        try:
            return found.body.read1(_BLOCK)
        except Exception as error:
            raise broken(error) from error


def _show(progress: Progress, completed: int) -> None:
    if completed != progress.completed:
        progress.update(completed)


class _Pace:
    """Raises BrokenError where bytes trickle: a few now and then never let a timeout pass."""

    def __init__(self, timing: Timing):
        self._timing, self._begun, self._count = timing, time.monotonic(), 0

    def count(self, received: int) -> None:
        self._count += received
        now = time.monotonic()
        if now - self._begun < self._timing.window:
            return
        if self._count < self._timing.least:
            raise BrokenError(f"only {in_bytes(self._count)} came in {now - self._begun:.0f} s")
        self._begun, self._count = now, 0
