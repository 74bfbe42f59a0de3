"""Jobs as the pages show them: state, progress and command in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from odtk import progress_file
from odtk.queue import ENDED, FAILED, INTERRUPTED, RUNNING, JobRecord
from odtk.web.jobs import Jobs
from odtk.web.words import ago, progress_line


@dataclass(frozen=True)
class JobLine:
    """A job for the table of jobs."""

    job: JobRecord
    command: str
    status: str
    is_active: bool
    state: str
    """The job's, in a word; "cut off" for one that runs for the queue, but has no worker that looks after it."""
    tone: str
    """The state whose color it has."""
    needs_worker: bool
    """Whether nothing goes on before a worker is started."""


def job_line(job: JobRecord) -> JobLine:
    """A job, with what its command would be in a terminal and how far it is."""
    is_lost = job.state == RUNNING and job.needs_worker
    return JobLine(
        job, shlex.join(["odtk", *job.command]), _status(job), job.state not in ENDED,
        "cut off" if is_lost else job.state, INTERRUPTED if is_lost else job.state, job.needs_worker,
    )  # fmt: skip


def job_lines(jobs: Iterable[JobRecord]) -> list[JobLine]:
    """Those that have not ended, then those that did, the latest first."""
    found = sorted(jobs, key=lambda job: (job.state in ENDED, job.state != RUNNING, -(job.ended or 0.0)))
    return [job_line(job) for job in found]


def error_of(jobs: Jobs, job: JobRecord) -> str | None:
    """The last error that the log of a job has that failed or was cut off."""
    log = jobs.log(job.number, 3000) if job.state in (FAILED, INTERRUPTED) else ""
    errors = [line.removeprefix("error: ") for line in log.splitlines() if line.startswith("error: ")]
    return errors[-1] if errors else None


def _status(job: JobRecord) -> str:
    if job.state == RUNNING and not job.is_cancelling and not job.needs_worker:
        return progress_line(progress_file.read(job.progress_path))
    words = ["is told to end" if job.is_cancelling else None, job.reason, ago(job.ended) or None]
    return ", ".join(filter(None, words))
