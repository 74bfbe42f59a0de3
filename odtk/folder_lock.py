"""One writer for a folder that grows, on any kind of disk: the system's lock, and a lock file with a heartbeat.

The system's lock (flock) ends with its process, but network drives have none, or one that other machines do not see. So
the writer also keeps a file in the folder, LOCK_NAME, with its machine, process and a random id, and changes it every
few seconds. Whoever comes next believes it as long as it changes: the clocks of two machines are not compared. On the
same machine the system is asked whether the process is still there.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

from odtk import files, unfinished
from odtk.errors import OutputError
from odtk.process_identity import identify, start_of
from odtk.unfinished import FREE, LOCK_NAME, LOCKED

HEARTBEAT = 10.0
"""Seconds between two changes of the lock file."""

STALE = 45.0
"""Seconds without a change after which a writer on another machine has ended; drives show changes late."""

_POLL = 1.0  # seconds
_SETTLE = 2.0  # seconds in which two that come at once overwrite each other's file: the last one has it


@dataclass(frozen=True)
class Holder:
    """The process that writes to a folder, as its lock file says."""

    id: str
    host: str
    boot: str  # of the machine's kernel; "" if unknown
    processes: str  # the namespace of its process numbers; "" if unknown
    pid: int
    started: str  # when that process began, in the system's own units; "" if unknown
    since: str
    beat: str = "0" * 10

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class FolderLock:
    """The lock of this process on a folder; see `locked_folder`."""

    def __init__(self, folder: str):
        self._folder, self._path = folder, files.join(folder, LOCK_NAME)
        self._identity = _identity_of(folder)
        self._holder = _this_process()
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="odtk-lock", daemon=True)
        self.taken_by: Holder | None = None
        """Who took the folder over, while this process or its drive did not respond for STALE seconds."""

    def acquire(self, state: str, log: Callable[[str], None]) -> None:
        """Takes the folder, or raises OutputError; `state` is that of the system's lock."""
        held = _read(self._path)
        if held is None and files.exists(self._path):  # another one may be writing it
            time.sleep(_POLL)
            held = _read(self._path)
        if held and not _has_ended(held, self._path, state, log):
            raise _in_use(self._path, held)
        self._write_first(is_new=held is None)
        if state != FREE or (held and held.boot != self._holder.boot):
            time.sleep(_SETTLE)
            found = _read(self._path)
            if found and found.id != self._holder.id:
                raise _in_use(self._path, found)
        self._thread.start()

    def _write_first(self, is_new: bool) -> None:
        try:
            self._write()
        except OSError:  # such as a full disk
            if is_new:
                with contextlib.suppress(OSError):
                    files.remove(self._path)
            raise

    def is_here(self) -> bool:
        """Whether the folder is the one that was locked: not if it was removed, or its drive unmounted.

        A drive that comes back may have another identity: the lock file tells.
        """
        return self._is_same_folder() or self._is_mine()

    def require(self) -> None:
        """Raises OutputError if another process has taken the folder over."""
        if self.taken_by is not None:
            raise OutputError(
                f"Another odtk ({self.taken_by}) has taken over {self._folder}, because this one did "
                "not respond for a while: its machine was suspended, or its drive not connected. Nothing more is "
                "written there."
            )

    def release(self) -> None:
        """Ends the heartbeat and removes the lock file if it is still this process's."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(HEARTBEAT)
        with contextlib.suppress(OSError, OutputError):
            if self._is_mine():
                files.remove(self._path)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            with contextlib.suppress(OSError, OutputError):  # an unreachable drive may come back
                found = _read(self._path)
                if found and found.id != self._holder.id:
                    self.taken_by = found
                    return
                if found or self._is_same_folder():
                    self._write()

    def _is_same_folder(self) -> bool:
        try:
            return _identity_of(self._folder) == self._identity
        except OSError:
            return False

    def _is_mine(self) -> bool:
        with self._writing:
            found = _read(self._path)
        return found is not None and found.id == self._holder.id

    def _write(self) -> None:
        self._holder = replace(self._holder, beat=f"{int(self._holder.beat) + 1:010}")
        data = json.dumps(asdict(self._holder)).encode()
        with self._writing:
            if files.is_remote(self._path):
                files.write_bytes(self._path, data)
            else:
                _write_in_place(self._path, data)


@contextlib.contextmanager
def locked_folder(folder: str | os.PathLike, log: Callable[[str], None] = lambda line: None) -> Iterator[FolderLock]:
    """Locks a folder, which may be in a store, against other writers until the block ends or the process does.

    Raises OutputError, which names the other process, if there is one. `log` is called if that takes a while to find
    out: a lock file of another machine is watched for STALE seconds.
    """
    folder = os.fspath(folder)
    with contextlib.ExitStack() as stack:
        state = "none" if files.is_remote(folder) else stack.enter_context(unfinished.system_lock(folder))
        if state == LOCKED:
            raise _in_use(files.join(folder, LOCK_NAME), _read(files.join(folder, LOCK_NAME)))
        lock = FolderLock(folder)
        stack.callback(lock.release)
        lock.acquire(state, log)
        yield lock


def holder_of(folder: str | os.PathLike) -> Holder | None:
    """What the lock file of a folder says, without touching the lock; its process may have ended. None without one."""
    return _read(files.join(folder, LOCK_NAME))


def _has_ended(held: Holder, path: str, state: str, log: Callable[[str], None]) -> bool:
    """Whether a lock file was left by a process that is no longer there."""
    here = _this_process()
    if state == FREE and held.boot == here.boot and (held.boot or held.host == here.host):
        return True  # the system would have refused the lock
    if (held.host, held.boot, held.processes) == (here.host, here.boot, here.processes) and unfinished.fcntl:
        return start_of(held.pid) != held.started or not unfinished.is_running(held.pid)
    log(f"{os.path.dirname(path)} may be in use ({held}). Waiting {STALE:.0f} seconds to see whether it still is.")
    return not _changes(path)


def _changes(path: str) -> bool:
    before, end = _read(path), time.monotonic() + STALE
    while before is not None and time.monotonic() < end:
        time.sleep(min(_POLL, STALE))
        found = _read(path)
        if found is None:  # removed: it has just ended
            return False
        if found != before:
            return True
    return False


def _identity_of(folder: str) -> tuple[int, int] | None:
    """Of a local folder; OSError if there is none."""
    if files.is_remote(folder):
        return None
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _write_in_place(path: str, data: bytes) -> None:
    # Google Drive keeps each replaced file in its trash. The length does not change from one heartbeat to the next.
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.write(file, data)
        os.ftruncate(file, len(data))
    finally:
        os.close(file)


def _in_use(path: str, holder: Holder | None) -> OutputError:
    who = f" ({holder})" if holder else ""
    return OutputError(
        f"Another odtk{who} is writing to {os.path.dirname(path)}. Wait for it or stop it, or choose another folder."
    )


def _read(path: str) -> Holder | None:
    """The content of a lock file; None if there is none, or if it is not whole."""
    try:
        return Holder(**json.loads(files.read_bytes(path)))
    except (OSError, ValueError, TypeError):
        return None


def _this_process() -> Holder:
    return Holder(
        id=uuid.uuid4().hex,
        **asdict(identify()),
        since=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    )
