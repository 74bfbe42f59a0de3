"""Which job is the next: the most urgent one whose predecessors are done and whose devices no other job has."""

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass

from odtk.queue.device_sets import ALL, is_within, share_a_device
from odtk.queue.job import DONE, ENDED, FAILED, RUNNING, SKIPPED, WAITING

_UNSUCCESSFUL = tuple(state for state in ENDED if state != DONE)

# Of the jobs that use the same devices only the first can be the next one.
_FIRST_OF_EACH_DEVICE = f"""
SELECT number, uses, starts FROM (
  SELECT number, priority, uses, starts, ROW_NUMBER() OVER (PARTITION BY uses ORDER BY priority, number) AS place
  FROM jobs
  WHERE state = '{WAITING}' AND NOT EXISTS (
    SELECT 1 FROM predecessors JOIN jobs AS earlier ON earlier.number = predecessor
    WHERE job = jobs.number AND earlier.state != '{DONE}'
  )
) WHERE place = 1 ORDER BY priority, number
"""

_NOT_YET_DONE = f"""
SELECT job, predecessor FROM predecessors
JOIN jobs ON jobs.number = job JOIN jobs AS earlier ON earlier.number = predecessor
WHERE jobs.state = ? AND earlier.state != '{DONE}'
"""


@dataclass(frozen=True)
class Choice:
    """A job that can run now."""

    number: int
    runs_on: str
    """The devices that it gets."""
    start: int
    """How many times it will have been started then."""


def next_job(database: sqlite3.Connection, device: str | None) -> Choice | None:
    """The job that a worker of `device` is to run next; None if there is none, or none of whose devices are free."""
    taken = [row["runs_on"] for row in database.execute(f"SELECT runs_on FROM jobs WHERE state = '{RUNNING}'")]
    for row in database.execute(_FIRST_OF_EACH_DEVICE).fetchall():
        if not can_run(device, row["uses"]):
            continue
        wanted = row["uses"] or device or ALL
        if not any(share_a_device(wanted, each) for each in taken):
            return Choice(row["number"], wanted, row["starts"] + 1)
        # Less urgent jobs do not take what a more urgent one waits for.
        taken.append(wanted)
    return None


def can_run(worker: str | None, uses: str | None) -> bool:
    """Whether a worker of some device runs jobs that use another, or name none."""
    return uses is None or is_within(uses, worker)


def is_work_left(database: sqlite3.Connection, device: str | None, workers: Collection[str | None]) -> bool:
    """Whether a job waits that a worker of `device` will be able to run, if the workers of these devices work on.

    `workers` includes `device`.
    """
    ahead: dict[int, list[int]] = {}
    for row in database.execute(_NOT_YET_DONE, (WAITING,)):
        ahead.setdefault(row["job"], []).append(row["predecessor"])
    will_run = set()  # predecessors have smaller numbers
    for row in database.execute(
        "SELECT number, uses, state FROM jobs WHERE state IN (?, ?) ORDER BY number", (WAITING, RUNNING)
    ):
        is_reached = will_run.issuperset(ahead.get(row["number"], []))
        if row["state"] == RUNNING or (is_reached and any(can_run(worker, row["uses"]) for worker in workers)):
            will_run.add(row["number"])
            if row["state"] == WAITING and can_run(device, row["uses"]):
                return True
    return False


def skip_successors(database: sqlite3.Connection, number: int) -> None:
    """Skips the jobs that wait for one that has ended without being done, and those that wait for these."""
    (state,) = database.execute("SELECT state FROM jobs WHERE number = ?", (number,)).fetchone()
    for successor in _successors(database, number, WAITING):
        database.execute(
            "UPDATE jobs SET state = ?, note = ?, ended = ? WHERE number = ?",
            (SKIPPED, _ended_before(number, state), time.time(), successor),
        )
        skip_successors(database, successor)


def hopeless(database: sqlite3.Connection, number: int) -> str | None:
    """Why a job would wait forever: `job 1, which it waits for, was cancelled`; None if it would not."""
    marks = ", ".join("?" * len(_UNSUCCESSFUL))
    row = database.execute(
        "SELECT number, state FROM predecessors JOIN jobs ON number = predecessor "
        f"WHERE job = ? AND state IN ({marks}) ORDER BY number",
        (number, *_UNSUCCESSFUL),
    ).fetchone()
    return row and _ended_before(row["number"], row["state"])


def unskip_successors(database: sqlite3.Connection, number: int) -> None:
    """Lets those jobs wait again that were skipped because of one that waits again, if no other is the reason too."""
    for successor in _successors(database, number, SKIPPED):
        if hopeless(database, successor) is None:
            database.execute(
                "UPDATE jobs SET state = ?, note = NULL, ended = NULL WHERE number = ?", (WAITING, successor)
            )
            unskip_successors(database, successor)


def _successors(database: sqlite3.Connection, number: int, state: str) -> list[int]:
    rows = database.execute(
        "SELECT job FROM predecessors JOIN jobs ON jobs.number = job WHERE predecessor = ? AND state = ?",
        (number, state),
    )
    return [row["job"] for row in rows.fetchall()]


def _ended_before(number: int, state: str) -> str:
    return f"job {number}, which it waits for, {state if state == FAILED else f'was {state}'}"
