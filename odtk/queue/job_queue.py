"""The queue as its users see it: jobs are added, looked at, moved, cancelled, run and waited for."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from odtk.errors import OdtkError
from odtk.queue import daemon, records, workers
from odtk.queue.device_sets import ALL, canonical, named_in
from odtk.queue.job import (
    CANCELLED,
    DEFAULT_PRIORITY,
    DONE,
    ENDED,
    LEAST_URGENT,
    MOST_URGENT,
    RUNNING,
    SKIPPED,
    WAITING,
    Job,
    JobRecord,
    WorkerRecord,
)
from odtk.queue.queue_files import QueueFiles
from odtk.queue.schedule import hopeless, skip_successors, unskip_successors
from odtk.queue.store import Store
from odtk.queue.worker import Log, WorkerSettings

GRACE = 90.0
"""Seconds that a job has to end by itself when it is cancelled: a training saves its checkpoint."""

_POLL = 0.5  # seconds


class Queue:
    """A queue of odtk commands in a file, by default the user's own; it is made when it is first opened.

    Any number of processes and threads may use it at once. Raises OdtkError if the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self._store = Store(QueueFiles(path))

    @property
    def path(self) -> Path:
        """Its file."""
        return self._store.files.database

    def put(self, job: Job, priority: int = DEFAULT_PRIORITY, name: str | None = None) -> int:
        """Adds a job and returns its number; priority 1 is the most urgent, 10 the least.

        Of equal priority the job that was added first runs first. Raises OdtkError for a priority that is none, for a
        name that could be a number, and if there is no job that it is to wait for. A job whose predecessor has failed
        is skipped.
        """
        _require_priority(priority)
        _require_name(name)
        uses = job.device or named_in(job.command)
        values = {
            "name": name and name.encode(errors="replace").decode(),
            **{key: json.dumps(getattr(job, key)) for key in ("command", "folder", "environment", "python")},
            **{"device": job.device, "uses": uses, "attempts": job.attempts},
            **{"priority": priority, "state": WAITING, "added": time.time()},
        }
        columns = ", ".join(values)
        with self._store.writing() as database:
            states = {number: _find(database, number, "after")["state"] for number in job.after}
            marks = ", ".join("?" * len(values))
            number = database.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", [*values.values()]).lastrowid
            assert number is not None
            database.executemany("INSERT INTO predecessors VALUES (?, ?)", [(number, each) for each in job.after])
            for each in [each for each, state in states.items() if state in ENDED and state != DONE]:
                skip_successors(database, each)
        return number

    def jobs(self) -> list[JobRecord]:
        """All jobs: those that run, those that wait, the next one first, and those that ended."""
        with self._store.reading() as database:
            return records.read_all(database, self._store.files)

    def job(self, number: int) -> JobRecord:
        """One job; OdtkError if there is none of that number."""
        with self._store.reading() as database:
            _find(database, number)
            return next(each for each in records.read_all(database, self._store.files) if each.number == number)

    def log_path(self, number: int) -> Path:
        """The file with what a job printed, in all its attempts; it is not there before the first one."""
        with self._store.reading() as database:
            _find(database, number)
        return self._store.files.log(number)

    def move(self, number: int, priority: int) -> None:
        """Gives a waiting job another priority; OdtkError if it does not wait."""
        _require_priority(priority)
        with self._store.writing() as database:
            _require_state(
                _find(database, number),
                [WAITING, SKIPPED],
                "moved",
                "Only a job that waits can; one that runs can be cancelled and tried again.",
            )
            database.execute("UPDATE jobs SET priority = ? WHERE number = ?", (priority, number))

    def cancel(self, number: int) -> None:
        """Ends a running job (its worker sends SIGTERM, after a while SIGKILL), or takes a waiting one out.

        Returns at once. Jobs that wait for it are skipped. OdtkError if it has ended.
        """
        with self._store.writing() as database:
            row = _find(database, number)
            _require_state(row, [WAITING, SKIPPED, RUNNING], "cancelled", "It can be cleared, or tried again.")
            if row["state"] == RUNNING:
                database.execute(
                    "UPDATE jobs SET cancelling = MAX(cancelling, ?) WHERE number = ?", (workers.ASKED, number)
                )
            else:
                database.execute(
                    "UPDATE jobs SET state = ?, note = NULL, ended = ? WHERE number = ?",
                    (CANCELLED, time.time(), number),
                )
                skip_successors(database, number)
        if row["state"] == RUNNING:
            workers.terminate_orphan(self._store, number)

    def retry(self, number: int) -> None:
        """Lets a job that has ended wait again, with all its attempts, and the jobs that were skipped because of it.

        OdtkError if it has not ended, and if a job that it waits for was not done: that is the one to be tried again.
        """
        with self._store.writing() as database:
            row = _find(database, number)
            _require_state(row, ENDED, "tried again", "Wait for its end, or cancel it first.")
            if reason := hopeless(database, number):
                raise OdtkError(f"Job {number} cannot be tried again, as {reason}: retry that one.")
            database.execute(
                "UPDATE jobs SET state = ?, note = NULL, cancelling = 0, attempt = 0, exit_code = NULL, "
                "started = NULL, ended = NULL, seconds = NULL WHERE number = ?",
                (WAITING, number),
            )
            unskip_successors(database, number)

    def clear(self) -> list[int]:
        """Forgets the jobs that have ended, with their logs, and returns their numbers.

        One that a waiting job names as its predecessor stays.
        """
        marks = ", ".join("?" * len(ENDED))
        needed = "SELECT predecessor FROM predecessors JOIN jobs ON jobs.number = job WHERE state IN (?, ?)"
        with self._store.writing() as database:
            rows = database.execute(
                f"SELECT number FROM jobs WHERE state IN ({marks}) AND number NOT IN ({needed}) ORDER BY number",
                [*ENDED, WAITING, RUNNING],
            ).fetchall()
            numbers = [row["number"] for row in rows]
            database.executemany("DELETE FROM jobs WHERE number = ?", [(number,) for number in numbers])
            database.executemany("DELETE FROM predecessors WHERE job = ?", [(number,) for number in numbers])
        for number in numbers:
            for path in self._store.files.of_job(number):
                path.unlink(missing_ok=True)
        return numbers

    def start(
        self,
        detach: bool = True,
        until_empty: bool = False,
        device: str | None = None,
        stop_on_failure: bool = False,
        grace: float = GRACE,
        log: Callable[[str], None] | None = None,
        log_change: Callable[[str], None] | None = None,
    ) -> WorkerRecord | None:
        """Starts a worker, which runs the jobs; OdtkError if one of the same device works for this queue.

        detach: in the background, without a terminal, until `stop`; returns the worker, or None if it has ended
          already. Otherwise tells `log` what the worker does, and returns None when it has ended by `stop` or by a
          signal to this process, which is a KeyboardInterrupt.
        until_empty: ends when no job can run any more, with the workers that there are.
        device: runs jobs of this device ("gpu:0") and gives it to those that name none. None: runs the jobs of every
          device, as many at once as have devices of their own; one that names none gets the whole machine.
        stop_on_failure: ends after the first job that fails; the others wait.
        grace: seconds that a job has to end by itself when it is cancelled; at least 0.
        log_change: is told instead of `log` that jobs or the worker end and that jobs start, as `jobs` shows, too.
        """
        _require_grace(grace)
        device = None if canonical(device) == ALL else canonical(device)
        settings = WorkerSettings(device, until_empty, stop_on_failure, grace)
        if not detach:
            daemon.attend(self.path, settings, _divided(log or (lambda text: None), log_change))
            return None
        daemon.start(self.path, settings)
        return next((worker for worker in self.workers() if worker.device == device), None)

    def stop(self, now: bool = False) -> list[WorkerRecord]:
        """Tells the workers to end after their running jobs, and returns them.

        now: they end these jobs at once, as `cancel` does, and let them wait for the next start; returns when they
          have, which may take `start`'s grace.
        """
        stopping = workers.ask_to_stop(self._store, workers.NOW if now else workers.AFTER)
        while now and any(worker.stop == workers.NOW for worker in self.workers()):
            time.sleep(_POLL)
        return stopping

    def workers(self) -> list[WorkerRecord]:
        """The workers that run."""
        with self._store.reading() as database:
            return workers.read_all(database, self._store.files)

    def wait(self, numbers: Sequence[int] | None = None, log: Callable[[str], None] | None = None) -> int:
        """Waits until jobs have ended, and returns the worst of their exit codes: 0 if all of them are done.

        numbers: of the jobs; None: all of the queue, those that are added meanwhile and those that ended before too.
        A job that failed counts with its exit code; one that was cancelled, interrupted or skipped with 1 at least.
        `log` is told of those, and of those that they wait for, that no worker runs. OdtkError if there is no job of a
        number.
        """
        told: set[str | None] = set()
        while True:
            jobs = known = self.jobs()
            if numbers is not None:
                by_number = {job.number: job for job in known}
                jobs = [by_number.get(number) or self.job(number) for number in numbers]
            pending = [job for job in jobs if job.state not in ENDED]
            if not pending:
                return max((_exit_code(job) for job in jobs), default=0)
            # Looks twice: a worker that has ended in between has noted before how its jobs ended.
            if log and _needing_worker(known, pending, told):
                for job in _needing_worker(self.jobs(), pending, told):
                    log(f"Job {job.number} needs a worker: {job.reason}. Start one.")
                    told.add(job.reason)
            time.sleep(_POLL)

    def join(self) -> int:
        """`wait` for all jobs."""
        return self.wait()


def _needing_worker(jobs: Sequence[JobRecord], pending: Sequence[JobRecord], told: set[str | None]) -> list[JobRecord]:
    """Of the pending jobs, and those that they wait for, the first for each reason why they need a worker.

    But for the reasons that were `told`.
    """
    by_number = {job.number: job for job in jobs}
    awaited: set[int] = set()
    to_visit = [job.number for job in pending]
    while to_visit:
        number = to_visit.pop()
        if number in by_number and number not in awaited:
            awaited.add(number)
            to_visit += by_number[number].after
    found = {job.reason: job for job in reversed(jobs) if job.number in awaited and job.needs_worker}
    return [job for reason, job in found.items() if reason not in told]


def _exit_code(job: JobRecord) -> int:
    return 0 if job.state == DONE else job.exit_code or 1


def _require_priority(priority: int) -> None:
    is_whole = isinstance(priority, int) and not isinstance(priority, bool)
    if not is_whole or not MOST_URGENT <= priority <= LEAST_URGENT:
        raise OdtkError(
            f"priority is {priority!r}; it is a whole number from {MOST_URGENT}, the most urgent, to {LEAST_URGENT}.",
            argument="priority",
        )


def _require_name(name: str | None) -> None:
    if name is not None and (not isinstance(name, str) or not name.strip() or name.isdecimal()):
        raise OdtkError(
            f"A job cannot be called {name!r}, as jobs are given by number or name. Choose a name with a letter.",
            argument="name",
        )


def _require_grace(grace: float) -> None:
    is_number = isinstance(grace, int | float) and not isinstance(grace, bool)
    if not is_number or not grace >= 0:
        raise OdtkError(f"grace is {grace!r}; it is a number of seconds, at least 0.", argument="grace")


def _divided(log: Callable[[str], None], log_change: Callable[[str], None] | None) -> Log:
    return lambda text, is_change=False: (log_change or log)(text) if is_change else log(text)


def _find(database: sqlite3.Connection, number: int, argument: str | None = None) -> sqlite3.Row:
    # SQLite has no larger numbers.
    row = database.execute("SELECT * FROM jobs WHERE number = ?", (min(number, 2**63 - 1),)).fetchone()
    if row is None:
        raise OdtkError(f"The queue has no job {number}. List its jobs to see their numbers.", argument=argument)
    return row


def _require_state(row: sqlite3.Row, states: Sequence[str], what: str, fix: str) -> None:
    if row["state"] not in states:
        raise OdtkError(f"Job {row['number']} is {row['state']} and cannot be {what}. {fix}")
