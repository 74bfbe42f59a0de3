"""Starts a job in a process of its own, under a keeper that outlives the worker and notes how the job ended.

worker -> keeper -> job: each is in a session of its own, so that no terminal reaches them. The job's process exists
before anything of it runs: it waits until the worker has written down that it started. If the worker is killed before
that, the job is not run; if it is killed later, job and keeper go on, and the keeper notes the end for the next worker.
Both hold a lock on the file of the end: as long as it is locked, the job lives.
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from odtk.queue.signal_count import ASKING
from odtk.system_errors import FULL

NOT_FOUND, NOT_USABLE = 127, 126
"""A shell's exit codes for a program that does not exist, or that cannot be run."""

_LINGERING = 5.0  # seconds that what a job has started may take to end after it
_PAUSE = 1.0  # seconds between two attempts to write on a full disk


@dataclass(frozen=True)
class End:
    """How a job ended."""

    exit_code: int
    """A shell's: 128 and the signal for a job that a signal ended."""
    seconds: float
    ended: float


@dataclass(frozen=True)
class Program:
    """What a job's process is to run."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    log: int
    """A descriptor for its output."""
    end: int
    """A descriptor of the file, locked, in which its end is noted."""


@dataclass(frozen=True)
class StartedJob:
    """A job that waits to be let go, and is run by no one if it is not."""

    pid: int
    keeper: int
    """The keeper's process, a child of this one."""
    ending: int
    """A descriptor that can be read once the keeper has ended."""
    gate: int

    def let_go(self) -> None:
        """Runs the job."""
        os.write(self.gate, b"\n")
        os.close(self.gate)

    def abandon(self) -> None:
        """Ends the process without having run anything."""
        os.close(self.gate)
        self.reap()

    def has_ended(self) -> bool:
        """Whether the keeper has ended."""
        return bool(select.select([self.ending], [], [], 0)[0])

    def reap(self) -> None:
        """Waits for the keeper's end, which is near."""
        os.close(self.ending)
        os.waitpid(self.keeper, 0)


def start(program: Program) -> StartedJob:
    """Starts a job that waits for `let_go`; OSError if there can be no more processes."""
    wait, gate = os.pipe()
    ending, report = os.pipe()
    try:
        keeper = os.fork()
        if not keeper:
            _exiting(lambda: _keep(program, wait, report))
    except OSError:
        os.close(gate)
        os.close(ending)
        raise
    finally:
        os.close(wait)
        os.close(report)
    pid = os.read(ending, 20)
    started = StartedJob(int(pid or 0), keeper, ending, gate)
    if not pid:
        started.abandon()
        raise BlockingIOError("No process can be started.")
    return started


def read_end(path: Path) -> End | None:
    """How a job ended; None if that is not noted (yet)."""
    try:
        return End(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _exiting(body) -> NoReturn:
    """Runs the body of a forked process, from which nothing returns into the code that forked."""
    try:
        body()
    finally:
        os._exit(NOT_USABLE)


def _keep(program: Program, wait: int, report: int) -> None:
    os.setsid()
    signals = (*ASKING, signal.SIGPIPE, signal.SIGXFSZ)
    # From here on the job's: a signal that reaches it before its program starts ends it, too.
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    _close_all_but(program.log, program.end, wait, report)
    go, gate = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(gate)
        os.close(report)
        os.close(wait)
        _exiting(lambda: _become(program, go))
    for number in signals:
        signal.signal(number, signal.SIG_IGN)
    os.close(go)
    os.write(report, str(pid).encode())
    if not os.read(wait, 1):  # the worker is gone, or has thought better of it
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os._exit(0)
    begin = time.monotonic()
    os.write(gate, b"\n")
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - begin
    _end_group(pid)
    code = os.waitstatus_to_exitcode(status)
    _note(End(code if code >= 0 else 128 - code, seconds, time.time()), program.end)
    os._exit(0)


def _become(program: Program, go: int) -> None:
    os.setsid()
    if not os.read(go, 1):
        return
    os.close(go)
    os.dup2(program.log, 1)
    os.dup2(program.log, 2)
    os.close(program.log)
    os.set_inheritable(program.end, True)
    try:
        os.chdir(program.folder)
        os.execvpe(program.command[0], list(program.command), program.environment)
    except OSError as error:
        place = program.folder if error.filename == program.folder else program.command[0]
        os.write(2, f"error: {place} cannot be used: {error.strerror}.\n".encode(errors="replace"))
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_USABLE)


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/dev/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(int(name))


def _end_group(pid: int) -> None:
    """Ends what the job left behind in its process group, which may hold its devices."""
    end = time.monotonic() + _LINGERING
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(pid, 0)
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


def _note(end: End, file: int) -> None:
    data = json.dumps(asdict(end)).encode()
    while True:
        try:
            os.pwrite(file, data, 0)
            os.fsync(file)
            return
        except OSError as error:
            if error.errno not in FULL:
                return
            time.sleep(_PAUSE)
