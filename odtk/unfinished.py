"""Outputs that are being written: hidden parts, locked by their writer, and removed after it was killed.

A part is a file or a folder named `.NAME.HOST.PID.TIME.part`, next to the output NAME or in the folder that it fills.
Its writer holds a lock (flock) on it, which the system releases when the process ends in any way. A locked part is
being written. An unlocked part with this machine's name and a process that no longer exists was left by a killed
process, and is removed by the next writer of the same output. An unlocked part of another machine, on a shared drive,
is kept, as its state is unknown. No part counts as contents of a folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: processes are only identified by their number
    fcntl = None  # type: ignore[assignment]

_LONGEST = 120  # bytes of the output's name; file systems allow 255 bytes in total
_PART = re.compile(r"\.(?P<name>.+)\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.(?P<time>[0-9a-f]{16})\.part", re.DOTALL)

LOCK_NAME = ".odtk-lock"
"""The file with which odtk.folder_lock marks a folder that is being written to."""

FREE, LOCKED, UNKNOWN = "free", "locked", "unknown"


def is_part(path: str | os.PathLike) -> bool:
    """Whether a file or folder is named as a part is."""
    return _PART.fullmatch(os.path.basename(os.fspath(path))) is not None


def part_name(name: str) -> str:
    """The name of a new part of the output `name`."""
    return f".{_short(name)}.{_host()}.{os.getpid()}.{time.time_ns():016x}.part"


def is_in_part(path: Path) -> bool:
    """Whether a path is inside a part, which is locked and renamed as a whole."""
    return any(is_part(parent) for parent in path.parents)


def contents(folder: str | os.PathLike) -> list[Path]:
    """The contents of a folder, without parts and the file of a lock."""
    return [path for path in sorted(Path(folder).iterdir()) if not is_part(path) and path.name != LOCK_NAME]


@contextlib.contextmanager
def new_part(output: Path, folder: Path, is_folder: bool) -> Iterator[Path]:
    """Yields a new empty part of `output` in `folder`, locked; it is removed at the end if it is still there."""
    part = folder / part_name(output.name)
    if is_folder:
        part.mkdir()
    else:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    lock = _open(part)
    try:
        if lock is not None:
            try_lock(lock)
        yield part
    finally:
        remove(part)
        if lock is not None:
            os.close(lock)


def clear_parts(output: Path, folder: Path, but: Path | None = None) -> Path | None:
    """Removes leftovers of `output` from killed processes in `folder`; returns a part that another process is writing.

    Parts that are newer than `but`, the caller's own, are not returned: of two writers the first one continues.
    """
    busy = None
    for found in _matches(folder):
        part = folder / found.group()
        if part == but or found["name"] != _short(output.name):
            continue
        state = _state(part)
        if state == LOCKED and (but is None or found["time"] < _fields(but)["time"]):
            busy = busy or part
        elif _is_dead(found, state):
            remove(part)
    return busy


def _fields(part: Path) -> re.Match[str]:
    match = _PART.fullmatch(part.name)
    assert match is not None, f"{part} is not a part's name"
    return match


def writer(part: Path) -> str:
    """The writer of a part, for messages."""
    found = _fields(part)
    return f"process {found['pid']}" + (f" on {found['host']}" if found["host"] != _host() else "")


@contextlib.contextmanager
def system_lock(folder: str | os.PathLike) -> Iterator[str]:
    """Locks a folder for the block: FREE if it succeeded, LOCKED if another process has it, UNKNOWN without locks."""
    lock = _open(Path(folder))
    try:
        yield UNKNOWN if lock is None else try_lock(lock)
    finally:
        if lock is not None:
            os.close(lock)


def remove(path: Path) -> None:
    """Removes a part, as far as possible."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _matches(folder: Path) -> list[re.Match]:
    try:
        with os.scandir(folder) as entries:
            found = [_PART.fullmatch(entry.name) for entry in entries if entry.name.endswith(".part")]
    except OSError:  # a folder can be writable but not readable
        return []
    return [match for match in found if match]


def _state(part: Path) -> str:
    lock = _open(part)
    if lock is None:
        return UNKNOWN
    try:
        return try_lock(lock)
    finally:
        os.close(lock)


def _open(path: Path) -> int | None:
    if fcntl is None:  # no locks, and Windows does not rename open files
        return None
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    return None


def try_lock(file: int) -> str:
    """Locks an open file or folder: FREE if it succeeded, LOCKED if another process has it, otherwise UNKNOWN."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return FREE
    except BlockingIOError:
        return LOCKED
    except OSError:  # a network drive without locks, or without locks on folders
        return UNKNOWN


def _is_dead(found: re.Match, state: str) -> bool:
    if fcntl is None or state == LOCKED or found["host"] != _host():
        return False
    pid = int(found["pid"])
    if pid == os.getpid():  # an earlier process with the same number, as in a restarted container
        return state == FREE
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process of this machine is there; not for Windows, where asking ends it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _short(name: str) -> str:
    return os.fsencode(name)[:_LONGEST].decode(errors="ignore")


def _host() -> str:
    return re.sub(r"[^\w-]", "_", socket.gethostname())[:40] or "_"
