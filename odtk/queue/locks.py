"""Locks of the system (flock) on files of a queue: they end with the processes that hold them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from odtk import unfinished
from odtk.errors import OdtkError, OutputError

_PATIENCE, _PAUSE = 1.0, 0.02  # seconds: who only asks holds a lock for a moment


def open_locked(path: Path) -> int | None:
    """A descriptor that holds the lock until it and its copies in other processes are closed; None if another has it.

    Raises OdtkError where there are no locks.
    """
    end = time.monotonic() + _PATIENCE
    while (file := _try(path, os.O_RDWR | os.O_CREAT)) is None and time.monotonic() < end:
        time.sleep(_PAUSE)
    return file


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        file = _try(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    if file is not None:
        os.close(file)
    return file is None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for the lock, and holds it for the block."""
    file = None
    while file is None:
        file = open_locked(path)
    try:
        yield
    finally:
        os.close(file)


def _try(path: Path, flags: int) -> int | None:
    if unfinished.fcntl is None:
        raise OdtkError("The queue needs Linux or macOS: Windows has it inside WSL.")
    file = os.open(path, flags, 0o600)
    state = unfinished.try_lock(file)
    if state == unfinished.FREE:
        return file
    os.close(file)
    if state == unfinished.LOCKED:
        return None
    raise OutputError(
        f"{path} cannot be locked. A queue needs a disk on which files can be: choose a local one.", argument="queue"
    )
