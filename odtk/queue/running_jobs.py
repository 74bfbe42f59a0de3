"""The jobs that a worker runs or watches: how they are started, told to end, and how their end is noted."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from odtk import progress_file
from odtk.process_identity import ProcessIdentity, boot_id, identify
from odtk.queue import keeper, records
from odtk.queue.device_sets import ALL, environment_for, named_in
from odtk.queue.job import CANCELLED, DONE, FAILED, INTERRUPTED, RUNNING, WAITING, Job
from odtk.queue.locks import is_locked, open_locked
from odtk.queue.schedule import Choice, next_job, skip_successors
from odtk.queue.signal_count import ASKING
from odtk.queue.store import Store
from odtk.queue.workers import ASKED, TOLD
from odtk.unfinished import is_running

_STOPPED = "it was stopped with its worker"

_STOPPED_BY = {128 + number for number in ASKING}
"""Exit codes of a command that was told to end, as by a machine that shuts down."""


@dataclass
class RunningJob:
    """A job that runs."""

    number: int
    start: int
    process: ProcessIdentity
    started: keeper.StartedJob | None = None
    """While its keeper is a child of this process."""
    is_adopted: bool = False
    """Whether another worker has started it, which is gone."""
    told_at: float | None = None
    """When it was told to end, by the clock that nothing sets."""
    is_stopping: bool = False
    """Whether it is to wait for the next start of a worker, because this one was told to stop."""
    is_killed: bool = False

    def tell_to_end(self) -> None:
        """Sends SIGTERM, once: a second one would stop a training without its checkpoint."""
        if self.told_at is None:
            self.told_at = time.monotonic()
            self._send(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """Ends the job and what it has started at once."""
        if not self.is_killed:
            self.is_killed = True
            self._send(os.killpg, signal.SIGKILL)

    def kill_leftovers(self) -> None:
        """Ends what a job has left behind that is gone, if no keeper is known to do so."""
        # A process group keeps its number as long as a process is in it, also when the first one is gone.
        if self.started is None and self.process.can_be_seen() and not is_running(self.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def reap_keeper(self) -> None:
        """If the keeper has ended; the job has, too, unless the keeper was killed."""
        if self.started and self.started.has_ended():
            self.started.reap()
            self.started = None

    def _send(self, function, number: signal.Signals) -> None:
        if self.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                function(self.process.pid, number)


def start(store: Store, choice: Choice, device: str | None) -> RunningJob | None:
    """Starts a job; None if it is not the next one any more. OdtkError if it cannot have its devices, and for the disk.

    It is running only when the database says so: whatever fails before, it waits on.
    """
    with store.reading() as database:
        job = records.read_job(database, choice.number)
    environment = _environment(store, choice, job)
    end = _locked_end(store, choice)
    if end is None:
        return None
    try:
        log = _open_log(store, choice)
        try:
            command = [job.python, "-m", "odtk", *job.command]
            started = keeper.start(keeper.Program(command, environment, job.folder, log, end))
        finally:
            os.close(log)
    finally:
        os.close(end)
    process = identify(started.pid)
    try:
        with store.writing() as database:
            is_next = next_job(database, device) == choice
            if is_next:
                _claim(database, choice, process, device)
    except BaseException:
        started.abandon()
        raise
    if not is_next:
        started.abandon()
        return None
    store.files.progress(choice.number).unlink(missing_ok=True)
    started.let_go()
    return RunningJob(choice.number, choice.start, process, started)


def adopt(store: Store, device: str | None, known: Collection[int], is_gone: Callable[[str], bool]) -> list[RunningJob]:
    """Takes over running jobs that no one watches: `known` are this worker's, `is_gone` says whether another's is."""
    with store.reading() as database:
        rows = database.execute(f"SELECT * FROM jobs WHERE state = '{RUNNING}' ORDER BY number").fetchall()
    found = []
    for row in rows:
        is_free = row["number"] not in known and (row["worker"] == (device or ALL) or is_gone(row["worker"]))
        if is_free and _take_over(store, row, device or ALL):
            told_at = time.monotonic() if row["cancelling"] == TOLD else None
            process = ProcessIdentity.from_text(row["process"])
            found.append(RunningJob(row["number"], row["starts"], process, None, True, told_at))
    return found


def _take_over(store: Store, row: sqlite3.Row, worker: str) -> bool:
    """Whether the job is this worker's now; another one may have been quicker."""
    with store.writing() as database:
        done = database.execute(
            "UPDATE jobs SET worker = ? WHERE number = ? AND starts = ? AND worker = ?",
            (worker, row["number"], row["starts"], row["worker"]),
        )
        return done.rowcount == 1


def has_ended(store: Store, job: RunningJob) -> bool:
    """Whether a job is over, with what it has started."""
    if job.started is not None:  # its keeper, which has to be reaped, may still have things to do
        return False
    path = store.files.end(job.number, job.start)
    if keeper.read_end(path) is not None:
        return True
    if not path.exists():  # it was removed by hand
        return not job.process.is_alive()
    return not is_locked(path)


def note_end(store: Store, job: RunningJob, device: str | None) -> str | None:
    """Writes down that a job has ended; returns its state now, which is WAITING if it is to be tried again.

    None if it is another worker's job by now, which notes its end.
    """
    path = store.files.end(job.number, job.start)
    with store.writing() as database:
        row = _row_of(database, job, device)
        if row is None:
            return None
        end = keeper.read_end(path)
        state, note = _outcome(row, job, end)
        ended = None if state == WAITING else end.ended if end else time.time()
        exit_code = end.exit_code if end and state != WAITING else None
        database.execute(
            "UPDATE jobs SET state = ?, note = ?, cancelling = 0, exit_code = ?, seconds = ?, ended = ?, "
            "attempt = attempt - ?, process = NULL, runs_on = NULL, worker = NULL WHERE number = ?",
            (
                *(state, note, exit_code, end and end.seconds, ended),
                *(state == WAITING and job.is_stopping, job.number),
            ),
        )
        if state not in (DONE, WAITING):
            skip_successors(database, job.number)
    path.unlink(missing_ok=True)
    return state


def _row_of(database: sqlite3.Connection, job: RunningJob, device: str | None) -> sqlite3.Row | None:
    """A running job, if a worker of `device` is the one that watches it."""
    return database.execute(
        f"SELECT * FROM jobs WHERE state = '{RUNNING}' AND number = ? AND starts = ? AND worker = ?",
        (job.number, job.start, device or ALL),
    ).fetchone()


def ask(database: sqlite3.Connection, jobs: Sequence[RunningJob], device: str | None) -> tuple[list, list]:
    """Of the jobs of a worker those that still are, as another one may have taken some over, and those to be cancelled.

    Two workers that start at the same moment may both find that a third is gone.
    """
    rows = [(job, _row_of(database, job, device)) for job in jobs]
    return [job for job, row in rows if row], [job for job, row in rows if row and row["cancelling"] == ASKED]


def note_failure(store: Store, number: int, note: str) -> None:
    """Writes down that a waiting job cannot be started."""
    with store.writing() as database:
        database.execute(
            "UPDATE jobs SET state = ?, note = ?, ended = ? WHERE number = ?", (FAILED, note, time.time(), number)
        )
        skip_successors(database, number)


def may_be_a_shutdown(store: Store, job: RunningJob) -> bool:
    """Whether a job has ended as if the machine shut down, in which case its worker is told so in a moment, too."""
    end = keeper.read_end(store.files.end(job.number, job.start))
    return not job.is_adopted and job.told_at is None and end is not None and end.exit_code in _STOPPED_BY


def _environment(store: Store, choice: Choice, job: Job) -> dict[str, str]:
    environment = dict(job.environment)
    if choice.runs_on != ALL and named_in(job.command) is None:
        environment = environment_for(choice.runs_on, environment)
    return {**environment, progress_file.VARIABLE: str(store.files.progress(choice.number))}


def _open_log(store: Store, choice: Choice) -> int:
    """All starts of a job append to one log."""
    log = os.open(store.files.log(choice.number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if choice.start > 1:
        with contextlib.suppress(OSError):
            os.write(log, f"\n--- started again, {time.strftime('%Y-%m-%d %H:%M:%S')} ---\n".encode())
    return log


def _locked_end(store: Store, choice: Choice) -> int | None:
    """The file for the end of a start; None if another worker is about to start the job, or has done so."""
    file = open_locked(store.files.end(choice.number, choice.start))
    if file is not None and os.fstat(file).st_size:
        os.close(file)
        return None
    return file


def _claim(database: sqlite3.Connection, choice: Choice, process: ProcessIdentity, device: str | None) -> None:
    # What cut off earlier attempts is still said of a running job, that it was stopped is not.
    database.execute(
        "UPDATE jobs SET state = ?, note = CASE WHEN attempt > 0 THEN NULLIF(note, ?) END, attempt = attempt + 1, "
        "starts = ?, exit_code = NULL, started = ?, ended = NULL, seconds = NULL, started_clock = ?, process = ?, "
        "runs_on = ?, worker = ? WHERE number = ?",
        (
            *(RUNNING, _STOPPED, choice.start, time.time(), time.monotonic()),
            *(process.as_text(), choice.runs_on, device or ALL, choice.number),
        ),
    )


def _outcome(row: sqlite3.Row, job: RunningJob, end: keeper.End | None) -> tuple[str, str | None]:
    """The state of a job that has ended, and what to say about it."""
    if end and end.exit_code == 0:
        return DONE, None
    if row["cancelling"]:
        return CANCELLED, None
    if job.is_stopping:
        return WAITING, _STOPPED
    was_cut_off = end is None or (job.is_adopted and end.exit_code in _STOPPED_BY)
    if end and not was_cut_off:
        return FAILED, _failure(end.exit_code)
    how = "a kill" if job.process.boot == boot_id() else "a restart of the machine"
    tried = f"attempt {row['attempt']} of {row['attempts']} was cut off by {how}"
    return (WAITING if row["attempt"] < row["attempts"] else INTERRUPTED), tried


def _failure(exit_code: int) -> str:
    with contextlib.suppress(ValueError):
        name = signal.Signals(exit_code - 128).name
        return f"ended by {name}" + " (out of memory?)" * (name == "SIGKILL")
    return f"ended with exit code {exit_code}"
