"""Reads jobs from a queue's database, with the reasons why they wait."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence

from odtk.process_identity import ProcessIdentity, boot_id
from odtk.queue import workers
from odtk.queue.device_sets import ALL, share_a_device
from odtk.queue.job import RUNNING, WAITING, Job, JobRecord, WorkerRecord
from odtk.queue.queue_files import QueueFiles
from odtk.queue.schedule import can_run

# All but the environment, which is large and may hold secrets.
_COLUMNS = """
  number, name, command, folder, python, device, uses, attempts, priority, state, note, cancelling, attempt, exit_code,
  added, started, ended, seconds, started_clock, process, runs_on, worker
"""
_ORDER = f"""
  CASE state WHEN '{RUNNING}' THEN 0 WHEN '{WAITING}' THEN 1 ELSE 2 END,
  CASE state WHEN '{WAITING}' THEN priority ELSE 0 END, number
"""


def read_all(database: sqlite3.Connection, files: QueueFiles) -> list[JobRecord]:
    """All jobs: those that run, those that wait, the next one first, and those that ended."""
    rows = database.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY {_ORDER}").fetchall()
    after: dict[int, list[int]] = {}
    for pair in database.execute("SELECT job, predecessor FROM predecessors ORDER BY job, predecessor"):
        after.setdefault(pair["job"], []).append(pair["predecessor"])
    reasons = _Reasons(rows, after, workers.read_all(database, files))
    boot = boot_id()
    return [_record(row, after.get(row["number"], []), reasons, boot, files) for row in rows]


def read_job(database: sqlite3.Connection, number: int) -> Job:
    """A job as it was put."""
    row = database.execute("SELECT * FROM jobs WHERE number = ?", (number,)).fetchone()
    return Job(
        command=json.loads(row["command"]),
        folder=json.loads(row["folder"]),
        environment=json.loads(row["environment"]),
        python=json.loads(row["python"]),
        device=row["device"],
        attempts=row["attempts"],
    )


def _record(row: sqlite3.Row, after: Sequence[int], reasons: _Reasons, boot: str, files: QueueFiles) -> JobRecord:
    process = ProcessIdentity.from_text(row["process"]) if row["process"] else None
    seconds = row["seconds"]
    if row["state"] == RUNNING and process is not None and process.boot == boot:
        seconds = max(0.0, time.monotonic() - row["started_clock"])
    return JobRecord(
        **{key: row[key] for key in ("number", "name", "device", "attempts", "priority", "state", "attempt")},
        **{key: row[key] for key in ("exit_code", "added", "started", "ended", "runs_on")},
        command=tuple(json.loads(row["command"])),
        folder=json.loads(row["folder"]),
        python=json.loads(row["python"]),
        after=tuple(after),
        reason=reasons.of(row),
        needs_worker=reasons.needs_worker(row),
        is_cancelling=row["state"] == RUNNING and bool(row["cancelling"]),
        seconds=seconds,
        pid=process.pid if process and row["state"] == RUNNING else None,
        log_path=files.log(row["number"]),
        progress_path=files.progress(row["number"]),
    )


class _Reasons:
    """Why each job is where it is; `rows` are in the order of `read_all`."""

    def __init__(self, rows: Sequence[sqlite3.Row], after: dict[int, list[int]], alive: Sequence[WorkerRecord]):
        self._states = {row["number"]: row["state"] for row in rows}
        self._running = [row for row in rows if row["state"] == RUNNING]
        self._after, self._workers = after, alive

    def of(self, row: sqlite3.Row) -> str | None:
        if row["state"] == RUNNING:
            return self._of_running(row)
        if row["state"] != WAITING:
            return row["note"]
        return "; ".join(filter(None, [row["note"], self._of_waiting(row)])) or None

    def needs_worker(self, row: sqlite3.Row) -> bool:
        if row["state"] == RUNNING:
            return not self._is_watched(row) and all(worker.stop for worker in self._workers)
        return row["state"] == WAITING and not self._ahead(row) and not self._able(row)

    def _of_running(self, row: sqlite3.Row) -> str | None:
        return row["note"] if self._is_watched(row) else "its worker is gone; the next one that starts looks after it"

    def _is_watched(self, row: sqlite3.Row) -> bool:
        return any((worker.device or ALL) == row["worker"] for worker in self._workers)

    def _of_waiting(self, row: sqlite3.Row) -> str | None:
        if ahead := self._ahead(row):
            return f"waits for {_named(ahead)}"
        able = self._able(row)
        if not able and all(worker.stop for worker in self._workers):
            return "no worker takes new jobs" if self._workers else "no worker runs"
        if not able:
            return f"no worker runs jobs of {row['uses']}"
        wanted = [row["uses"] or worker.device or ALL for worker in able]
        blocking = [
            running["number"]
            for running in self._running
            if any(share_a_device(running["runs_on"], device) for device in wanted)
        ]
        return f"{_named(blocking)} run{'s' * (len(blocking) == 1)}" if blocking else None

    def _ahead(self, row: sqlite3.Row) -> list[int]:
        """The jobs that a job still waits for."""
        return [
            number for number in self._after.get(row["number"], []) if self._states.get(number) in (WAITING, RUNNING)
        ]

    def _able(self, row: sqlite3.Row) -> list[WorkerRecord]:
        """The workers that would start a job."""
        return [worker for worker in self._workers if worker.stop is None and can_run(worker.device, row["uses"])]


def _named(numbers: Sequence[int]) -> str:
    return " and ".join(f"job {number}" for number in numbers)
