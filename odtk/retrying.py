"""Writes that wait while the drive of their folder is away: a network drive may not be reachable for a minute."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from odtk.errors import OutputError
from odtk.folder_lock import FolderLock
from odtk.system_errors import as_os_error, reason_of

PATIENCE = 300.0
"""Seconds after which a drive that does not come back ends a run."""

_LONGEST_WAIT = 30.0  # seconds between two attempts

_AWAY = (
    *(errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNABORTED),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENODEV, errno.ENXIO),
)

_T = TypeVar("_T")


class UnreachableError(OutputError):
    """A folder to write to was not reachable for a long time."""


class Writes(Protocol):
    """Calls a function that writes files, once or more often, and returns what it returns."""

    def __call__(self, write: Callable[[], _T], before_retry: Callable[[], object] = ...) -> _T:
        """`before_retry` is called before each further attempt."""


def at_once(write: Callable[[], _T], before_retry: Callable[[], object] = lambda: None) -> _T:
    """For a folder that is always there: the first error is raised."""
    return write()


def while_locked(lock: FolderLock) -> Writes:
    """Like `at_once`, as long as no other process took the folder over."""

    def write(write: Callable[[], _T], before_retry: Callable[[], object] = lambda: None) -> _T:
        lock.require()
        return write()

    return write


class Retrying:
    """Writes to a locked folder again while it is not reachable, with growing waits.

    Whatever is passed may have written a part when it is called again. Other errors (a full disk) are raised at once.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        lock: FolderLock,
        log: Callable[[str], None],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ):
        self._folder, self._lock, self._log = os.fspath(folder), lock, log
        self._patience, self._clock, self._sleep = patience, clock, sleep

    def __call__(self, write: Callable[[], _T], before_retry: Callable[[], object] = lambda: None) -> _T:
        """See Writes; raises UnreachableError after `patience` seconds, OutputError if another process took over."""
        end, wait = None, 1.0
        while True:
            self._lock.require()
            try:
                return self._attempt(write, is_again=end is not None)
            except Exception as error:
                refused = self._as_away(error)
                if refused is None:
                    raise
                if end is None:
                    self._log(f"{self._describe(refused)}; trying again for {_in_words(self._patience)}.")
                    end = self._clock() + self._patience
                if self._clock() + wait > end:
                    raise UnreachableError(
                        f"{self._describe(refused)}; it was tried for {_in_words(self._patience)}."
                    ) from error
            self._sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
            before_retry()

    def _attempt(self, write: Callable[[], _T], is_again: bool) -> _T:
        # Writing would make the folder again, below the place where the drive is mounted.
        if not self._lock.is_here():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._folder)
        result = write()
        if is_again:
            self._log(f"The folder {self._folder} is back.")
        return result

    def _as_away(self, error: BaseException) -> OSError | None:
        refused = system_error_of(error)
        if isinstance(error, UnreachableError) or refused is None:
            return None
        if refused.errno in _AWAY or not self._lock.is_here():
            return refused
        return None

    def _describe(self, refused: OSError) -> str:
        return f"The folder {self._folder} is not reachable ({reason_of(refused)})"


def system_error_of(error: BaseException) -> OSError | None:
    """The OSError that an exception is, or that it was raised from as an OutputError."""
    cause = error.__cause__ if isinstance(error, OutputError) else error
    return as_os_error(cause) if cause is not None else None


def is_of_writing(error: BaseException | None) -> bool:
    """Whether an exception says that something cannot be written."""
    return isinstance(error, OutputError) or (error is not None and as_os_error(error) is not None)


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else f"{seconds:.0f} seconds"
