"""Jobs of the workspace's queue, which outlive the studio: trainings, evaluations, exports."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from odtk.errors import OdtkError
from odtk.queue import ENDED, RUNNING, Job, JobRecord, Queue
from odtk.web.commands import Command
from odtk.web.workspace import Workspace

_TRIES, _ENDING = 3, 0.3  # seconds that a worker takes to be gone once it has found the queue empty


class Jobs:
    """The queue of a workspace, which `odtk queue --queue FOLDER/queue.db` shows, too.

    Its calls wait for the disk, and `add`, `retry` and `start_worker` for a new process: call these in a thread.
    """

    def __init__(self, workspace: Workspace):
        self._workspace = workspace
        self._queue = Queue(workspace.queue_file)

    def add(self, command: Command, name: str, after: Sequence[int] = ()) -> JobRecord:
        """Puts a command into the queue under a name ("train:pets"), and has a worker run it.

        `after`: numbers of jobs that have to be done first.
        """
        number = self._queue.put(Job(command.words, folder=str(self._workspace.folder), after=after), name=name)
        self.start_worker()
        return self._queue.job(number)

    def all(self) -> list[JobRecord]:
        """All jobs: those that run, those that wait, those that ended."""
        return self._queue.jobs()

    def find(self, number: int) -> JobRecord:
        """A job by its number; OdtkError if there is none."""
        return self._queue.job(number)

    def last(self, name: str) -> JobRecord | None:
        """A name's job that runs, else the newest that waits, else the newest: older ones may have been retried."""
        return max((job for job in self._queue.jobs() if job.name == name), key=_recency, default=None)

    def last_of_each(self, prefix: str) -> list[JobRecord]:
        """The `last` job of each name that begins so, by their numbers."""
        names: dict[str, list[JobRecord]] = {}
        for job in self._queue.jobs():
            if job.name and job.name.startswith(prefix):
                names.setdefault(job.name, []).append(job)
        return sorted((max(jobs, key=_recency) for jobs in names.values()), key=lambda job: job.number)

    def is_active(self, name: str) -> bool:
        """Whether a job of a name runs or waits."""
        found = self.last(name)
        return found is not None and found.state not in ENDED

    def cancel(self, number: int) -> None:
        """Ends a job: a training saves its checkpoint, so that it can go on. OdtkError if it has ended."""
        self._queue.cancel(number)

    def retry(self, number: int) -> None:
        """Runs a job again that has ended; a training goes on from its checkpoint."""
        self._queue.retry(number)
        self.start_worker()

    def log(self, number: int, last_bytes: int = 20_000) -> str:
        """The end of what a job has printed."""
        path = self._queue.log_path(number)
        if not path.exists():
            return ""
        with open(path, "rb") as file:
            file.seek(max(path.stat().st_size - last_bytes, 0))
            return file.read().decode("utf-8", errors="replace")

    def start_worker(self) -> None:
        """Has a worker run what waits, unless one does already: in a thread, too."""
        for _ in range(_TRIES):
            # Without until_empty it would stay when the studio is gone; an error means that one works already.
            with contextlib.suppress(OdtkError):
                self._queue.start(detach=True, until_empty=True)
                return
            # Or that one is just ending, as it has not seen a job that was added meanwhile.
            time.sleep(_ENDING)
            if not any(job.needs_worker for job in self.all()):
                return


def _recency(job: JobRecord) -> tuple[bool, bool, int]:
    return job.state not in ENDED, job.state == RUNNING, job.number
