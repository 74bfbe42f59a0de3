"""The worker: starts the most urgent jobs whose devices are free, watches them, and notes how they end."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from odtk.errors import OdtkError
from odtk.queue import running_jobs, workers
from odtk.queue.job import FAILED, INTERRUPTED
from odtk.queue.locks import is_locked
from odtk.queue.running_jobs import RunningJob
from odtk.queue.schedule import Choice, is_work_left, next_job
from odtk.queue.signal_count import SignalCount
from odtk.queue.store import QueueUnavailableError, Store
from odtk.queue.workers import TOLD
from odtk.system_errors import describe

POLL = 0.5
"""Seconds between two looks at the queue while nothing happens."""

_SETTLE = 2.0  # seconds in which a machine that shuts down sends its signals to all processes


@dataclass(frozen=True)
class WorkerSettings:
    """See Queue.start."""

    device: str | None
    until_empty: bool
    stop_on_failure: bool
    grace: float


class Log(Protocol):
    """What a worker tells its messages."""

    def __call__(self, text: str, is_change: bool = False) -> None:
        """`is_change`: that a job starts or ends, or the worker itself, which the queue shows, too."""


class Worker:
    """Runs the jobs of a queue, in the process that calls `run`; see Queue.start."""

    def __init__(self, store: Store, settings: WorkerSettings, log: Log, signals: SignalCount):
        self._store, self._settings, self._log = store, settings, log
        self._device = settings.device
        self._jobs: list[RunningJob] = []
        self._stop: str | None = None
        self._signals = signals
        self._trouble = ""

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Works until the queue is empty (if so wished), until it is told to stop, or until a job fails (if so wished).

        `on_ready` is called once this is the worker of its device. OdtkError if there is one already.
        """
        _open_standard_descriptors()
        with workers.registered(self._store, self._device), self._signals.counting():
            on_ready()
            self._log(f"worker of {self._store.files.database} on {self._device or 'any device'}")
            while not self._round():
                self._sleep(POLL)
            self._log("worker ended", is_change=True)

    def _round(self) -> bool:
        """One look at the queue; whether the work is over. A full disk is waited for: nothing is lost meanwhile."""
        try:
            self._require_queue()
            self._note_requests()
            self._note_ends()
            self._end_jobs()
            if self._stop is None:
                self._adopt()
                self._start_jobs()
            is_over = not self._jobs and (self._stop is not None or (self._settings.until_empty and self._is_empty()))
            self._trouble = ""
            return is_over
        except (QueueUnavailableError, OSError) as error:
            text = describe(error) if isinstance(error, OSError) else str(error)
            if text != self._trouble:
                self._log(f"{text} Waiting for it.")
            self._trouble = text
            return self._signals.count > 1  # the next worker notes the ends

    def _require_queue(self) -> None:
        if not self._store.files.database.exists():
            raise OdtkError(f"The queue {self._store.files.database} was removed. Its running jobs go on.")

    def _note_requests(self) -> None:
        with self._store.reading() as database:
            asked = workers.asked_to_stop(database, self._device)
            self._jobs, cancelled = running_jobs.ask(database, self._jobs, self._device)
        if self._signals.count or asked == workers.NOW:
            self._stop = workers.NOW
        self._stop = self._stop or asked
        for job in cancelled:
            self._cancel(job)

    def _cancel(self, job: RunningJob) -> None:
        with self._store.writing() as database:
            database.execute("UPDATE jobs SET cancelling = ? WHERE number = ?", (TOLD, job.number))
        self._log(f"job {job.number} is cancelled: SIGTERM")
        job.tell_to_end()

    def _end_jobs(self) -> None:
        for job in self._jobs:
            if self._stop == workers.NOW and job.told_at is None:
                job.is_stopping = True
                self._log(f"job {job.number} is stopped: SIGTERM")
                job.tell_to_end()
            is_late = job.told_at is not None and time.monotonic() - job.told_at > self._settings.grace
            if (is_late or self._signals.count > 1) and not job.is_killed:
                self._log(f"job {job.number} has not ended: SIGKILL")
                job.kill()

    def _note_ends(self) -> None:
        for job in self._jobs:
            job.reap_keeper()
            job.kill_leftovers()
        for job in [job for job in self._jobs if running_jobs.has_ended(self._store, job)]:
            if self._stop is None and running_jobs.may_be_a_shutdown(self._store, job):
                self._signals.wait(_SETTLE)
                job.is_stopping = self._signals.count > 0
            state = running_jobs.note_end(self._store, job, self._device)
            self._jobs.remove(job)
            if state is not None:
                self._log(f"job {job.number} is {state}", is_change=True)
                self._heed_failure(state)

    def _heed_failure(self, state: str) -> None:
        if state in (FAILED, INTERRUPTED) and self._settings.stop_on_failure:
            self._stop = self._stop or workers.AFTER

    def _adopt(self) -> None:
        known = {job.number for job in self._jobs}
        found = running_jobs.adopt(self._store, self._device, known, self._is_gone)
        for job in found:
            self._log(f"job {job.number} was started by a worker that is gone; its end is waited for")
        self._jobs += found

    def _is_gone(self, worker: str) -> bool:
        return not is_locked(self._store.files.worker_lock(worker))

    def _start_jobs(self) -> None:
        while self._stop is None and (choice := self._next()) is not None:
            try:
                job = running_jobs.start(self._store, choice, self._device)
            except QueueUnavailableError:
                raise
            except OdtkError as error:
                self._log(f"job {choice.number} cannot start: {error}")
                running_jobs.note_failure(self._store, choice.number, str(error))
                self._heed_failure(FAILED)
                continue
            if job is None:  # another worker was quicker, or a more urgent job has come: the next round looks again
                return
            self._log(f"job {job.number} runs on {choice.runs_on}, process {job.process.pid}", is_change=True)
            self._jobs.append(job)

    def _next(self) -> Choice | None:
        with self._store.reading() as database:
            return next_job(database, self._device)

    def _is_empty(self) -> bool:
        with self._store.reading() as database:
            others = [each.device for each in workers.read_all(database, self._store.files) if each.stop is None]
            return not is_work_left(database, self._device, [self._device, *others])

    def _sleep(self, seconds: float) -> None:
        """Until something may have happened: a job of this worker ends, a signal comes, or time is over."""
        self._signals.wait(seconds, [job.started.ending for job in self._jobs if job.started])


def _open_standard_descriptors() -> None:
    """So that no descriptor that is opened later takes the place of a closed stdin, stdout or stderr."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(file, True)
    os.close(file)
