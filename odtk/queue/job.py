"""A job of the queue, and what the queue knows about it."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk.errors import OdtkError
from odtk.queue.device_sets import canonical, named_in

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
INTERRUPTED = "interrupted"
"""Cut off by a restart of the machine or a kill, as many times as it may be tried."""
SKIPPED = "skipped"
"""Not run, because a job that it was to wait for was not done."""
ENDED = (DONE, FAILED, CANCELLED, INTERRUPTED, SKIPPED)

ATTEMPTS = 3
MOST_URGENT, DEFAULT_PRIORITY, LEAST_URGENT = 1, 5, 10


@dataclass(frozen=True)
class Job:
    """An odtk command, to be run later as if it were typed where this was made.

    Raises OdtkError for a command without words, and for devices that are none.
    """

    command: Sequence[str]
    """An odtk command, as words or as one line of a shell: "train pets.config model"; a leading "odtk" is left out."""
    folder: str = field(default_factory=os.getcwd)
    """The folder it runs in."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """Its environment variables; they may hold secrets, so only the user can read the queue."""
    python: str = sys.executable
    """The interpreter that has odtk."""
    device: str | None = None
    """What it runs on, as --devices says it ("gpu:0", "gpu:0,1", "cpu"): it sees no other GPU, and no other job runs
    there. None: what the command's own --devices names, else a worker's device or the whole machine."""
    after: Sequence[int] = ()
    """Numbers of the jobs that have to be done first."""
    attempts: int = ATTEMPTS
    """How many times it is started at most, if restarts of the machine or kills cut it off."""

    def __post_init__(self) -> None:
        words = command_words(self.command)
        if not words or not all(isinstance(word, str) for word in words):
            raise OdtkError(
                f"The command of a job is {self.command!r}; it is the words of an odtk command: "
                '["train", "pets.config", "model"].',
                argument="command",
            )
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise OdtkError(f"attempts is {self.attempts!r}; it is a whole number of at least 1.", argument="attempts")
        if not isinstance(self.after, Sequence) or not all(type(number) is int for number in self.after):
            raise OdtkError(f"after is {self.after!r}; it is a list of the numbers of jobs: [3].", argument="after")
        for name, value in {
            "command": words,
            "folder": os.path.abspath(self.folder),
            "python": os.fspath(self.python),
            "environment": dict(self.environment),
            "after": tuple(dict.fromkeys(self.after)),
            "device": None if self.device in (None, "auto") else canonical(self.device),
        }.items():
            object.__setattr__(self, name, value)
        own = named_in(words)
        if self.device is not None and own is not None:
            raise OdtkError(
                f"The job is given {self.device}, and its command names {own}. Name devices once.",
                argument="device",
            )


def command_words(command: Sequence[str]) -> tuple[str, ...]:
    """The words of an odtk command that is given as words or as one line of a shell, without a leading "odtk"."""
    try:
        words = tuple(shlex.split(command) if isinstance(command, str) else command)
    except (TypeError, ValueError):  # not a sequence; a quotation that is not closed
        return ()
    return words[1:] if words[:1] == ("odtk",) else words


@dataclass(frozen=True)
class JobRecord:
    """A job as it stands in the queue."""

    number: int
    name: str | None
    command: tuple[str, ...]
    folder: str
    python: str
    device: str | None
    """That was asked for; see Job."""
    after: tuple[int, ...]
    attempts: int
    priority: int
    """1 is the most urgent, 10 the least."""
    state: str
    """"waiting", "running", "done", "failed", "cancelled", "interrupted" (cut off as many times as it may be tried), or
    "skipped" (a job that it waits for was not done)."""
    reason: str | None
    """Why it waits, was cut off, failed or is skipped: a part of a sentence for people."""
    needs_worker: bool
    """Whether it could run or runs, and no worker takes it or looks after it, as `reason` says."""
    is_cancelling: bool
    """Whether it runs, and was told to end."""
    attempt: int
    """How many times it was started; those that `stop` ended do not count."""
    exit_code: int | None
    """A shell's: 128 and the signal for a job that a signal ended; None before the end, and if it is unknown."""
    added: float
    """Seconds since 1970, by the machine's clock."""
    started: float | None
    """When the last attempt began, likewise."""
    ended: float | None
    """When the job ended, likewise."""
    seconds: float | None
    """How long the last attempt took or has taken so far, by a clock that nothing sets; None if that is unknown."""
    pid: int | None
    """The process of a running job."""
    runs_on: str | None
    """The devices that a running job has: "gpu:0"; "all" for the whole machine."""
    log_path: Path
    """What the job printed, in all attempts; there is no such file before its first one."""
    progress_path: Path
    """Where the job reports its progress (ODTK_PROGRESS_FILE); there may be no such file."""


@dataclass(frozen=True)
class WorkerRecord:
    """A process that runs the queue's jobs."""

    device: str | None
    """The devices whose jobs it runs; None: those of the whole machine."""
    pid: int
    host: str
    started: float
    """Seconds since 1970, by the machine's clock."""
    jobs: tuple[int, ...]
    """Numbers of the jobs that it runs now."""
    stop: str | None
    """"after" if it ends after the running jobs, "now" if it is ending them; None if it goes on."""
    log_path: Path
