"""A queue of odtk commands that runs in the background: the most urgent first, one job on a device, none lost."""

from odtk.queue.job import (
    CANCELLED,
    DONE,
    ENDED,
    FAILED,
    INTERRUPTED,
    RUNNING,
    SKIPPED,
    WAITING,
    Job,
    JobRecord,
    WorkerRecord,
)
from odtk.queue.job_queue import Queue

__all__ = [
    "CANCELLED",
    "DONE",
    "ENDED",
    "FAILED",
    "INTERRUPTED",
    "RUNNING",
    "SKIPPED",
    "WAITING",
    "Job",
    "JobRecord",
    "Queue",
    "WorkerRecord",
]
