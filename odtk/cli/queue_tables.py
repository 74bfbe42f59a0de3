"""How the jobs of a queue are shown: as a table, in full, and as a JSON document."""

import dataclasses
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from odtk.cli.options import cell
from odtk.progress import as_clock, report_line
from odtk.progress_file import read
from odtk.queue import CANCELLED, DONE, ENDED, FAILED, INTERRUPTED, RUNNING, SKIPPED, WAITING, JobRecord, WorkerRecord
from odtk.terminal_text import on_one_line

ENDED_SHOWN = 20
"""Of the jobs that ended, a table has the last ones."""

OLD_REPORT = 15.0
"""Seconds after which the age of a report is shown."""

_COLORS = {RUNNING: "cyan", DONE: "green", FAILED: "red", INTERRUPTED: "red", CANCELLED: "yellow", SKIPPED: "yellow"}
_COLUMNS = ["Job", "Priority", "State", "Command", ""]
_RIGHT = _COLUMNS[:2]
_GAP = "  "
_LAST_BYTES = 64 * 1024


def title(job: JobRecord) -> str:
    """`job 3`, or `job 3 (NAME)`."""
    return f"job {job.number} ({on_one_line(job.name)})" if job.name else f"job {job.number}"


def title_line(job: JobRecord) -> str:
    """The same at the beginning of a line: `Job 3 (NAME)`."""
    return f"J{title(job)[1:]}"


def job_line(job: JobRecord) -> str:
    """`Job 3 (NAME): waiting, priority 1, job 2 runs`."""
    priority = f"priority {job.priority}" if job.state == WAITING else ""
    return f"{title_line(job)}: " + ", ".join(filter(None, [job.state, priority, status(job)]))


def command(job: JobRecord) -> str:
    """The job's command, to be pasted into a shell."""
    return shlex.join(["odtk", *job.command])


def print_jobs(jobs: Sequence[JobRecord]) -> None:
    """A table on stdout: first the jobs that have not ended, then the last of those that did, the latest last."""
    ended = sorted((job for job in jobs if job.state in ENDED), key=lambda job: job.ended or 0.0)
    shown = [job for job in jobs if job.state not in ENDED] + ended[-ENDED_SHOWN:]
    if sys.stdout.isatty():
        _draw(shown)
    else:
        _print_aligned([_COLUMNS, *(_cells(job) for job in shown)])
    if len(shown) < len(jobs):
        click.echo(f"and {len(jobs) - len(shown):,} more that ended earlier (--json has them all)")


def _cells(job: JobRecord) -> list[str]:
    words = shlex.join(job.command)
    return [
        str(job.number),
        str(job.priority),
        job.state,
        on_one_line(f"{job.name}: {words}" if job.name else words),
        on_one_line(status(job)),
    ]


def _draw(jobs: Sequence[JobRecord]) -> None:
    from rich.console import Console

    console = Console()
    console.print(table(jobs, console.width))


def table(jobs: Sequence[JobRecord], columns: int):
    """The same as a rich table for a terminal with so many `columns`.

    Commands are cut to fit; what is known of the jobs may take several lines.
    """
    from rich.table import Table

    rows = [_cells(job) for job in jobs]
    drawn = Table(box=None, pad_edge=False)
    for heading, width in zip(_COLUMNS, _fitting(_widths([_COLUMNS, *rows]), columns), strict=True):
        is_last = heading == _COLUMNS[-1]
        drawn.add_column(heading, width=width, justify="right" if heading in _RIGHT else "left", no_wrap=not is_last,
                         overflow="fold" if is_last else "ellipsis")  # fmt: skip
    for job, row in zip(jobs, rows, strict=True):
        cells = list(map(cell, row))
        cells[2].stylize(_COLORS.get(job.state, ""))
        drawn.add_row(*cells)
    return drawn


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _fitting(widths: Sequence[int], columns: int) -> list[int]:
    """The columns' widths in a terminal: what is known of a job leaves its command two fifths at least."""
    *fixed, command, known = widths
    room = max(columns - sum(fixed) - len(_GAP) * len(fixed) - len(_GAP), 2)
    command = min(command, max(room - known, room * 2 // 5))
    return [*fixed, command, min(known, room - command)]


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = _widths(rows)
    for row in rows:
        cells = [
            each.rjust(width) if heading in _RIGHT else each.ljust(width)
            for each, width, heading in zip(row, widths, _COLUMNS, strict=True)
        ]
        click.echo(_GAP.join(cells).rstrip())


def status(job: JobRecord) -> str:
    """What is known of a job beside its state, on one line."""
    return ", ".join(filter(None, _of_running(job) if job.state == RUNNING else _of_others(job)))


def _of_running(job: JobRecord) -> list[str]:
    return [
        "is being cancelled" if job.is_cancelling else "",
        progress_line(job) or ("" if job.seconds is None else f"for {as_clock(job.seconds)}"),
        f"on {job.runs_on}" if job.runs_on not in (None, "all") else "",
        _attempt(job),
        job.reason or "",
    ]


def _of_others(job: JobRecord) -> list[str]:
    if job.state == WAITING:
        return [job.reason or "", f"for {job.device}" if job.device else ""]
    return [
        job.reason or _attempt(job),
        "" if job.seconds is None else f"took {as_clock(job.seconds)}",
        "" if job.ended is None else f"at {moment(job.ended)}",
    ]


def _attempt(job: JobRecord) -> str:
    return f"attempt {job.attempt} of {job.attempts}" if job.attempt > 1 else ""


def moment(seconds: float) -> str:
    """A time of day, with the date unless it is today's."""
    then = datetime.fromtimestamp(seconds)
    return f"{then:%H:%M:%S}" if then.date() == datetime.now().date() else f"{then:%Y-%m-%d %H:%M:%S}"


def progress_line(job: JobRecord) -> str:
    """What the job reported, on one line, with its age if it is old and the job runs; "" if there is nothing."""
    report = read(job.progress_path)
    if report is None:
        return ""
    age = time.time() - report.time
    old = f" ({as_clock(age)} ago)" if job.state == RUNNING and age > OLD_REPORT else ""
    return report_line(report) + old


def print_job(job: JobRecord, num_lines: int) -> None:
    """Everything about one job, with the last lines of its log, on stdout."""
    click.secho(title_line(job), bold=True)
    facts = {name: value for name, value in _facts(job).items() if value}
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"  {name:{width}}  {on_one_line(value)}")
    lines = last_lines(job.log_path, num_lines)
    click.echo("\nLast lines of its log:" if lines else "\nIt has printed nothing so far.")
    for line in lines:
        click.echo(f"  {line}")


def _facts(job: JobRecord) -> dict[str, str]:
    took = "" if job.seconds is None else f" ({as_clock(job.seconds)}{' so far' * (job.state == RUNNING)})"
    how = [job.state, "is being cancelled" if job.is_cancelling else "", job.reason or ""]
    return {
        "state": ", ".join(filter(None, how)),
        "progress": progress_line(job),
        "command": command(job),
        "folder": job.folder,
        "Python": job.python,
        "priority": str(job.priority),
        "after": ", ".join(f"job {number}" for number in job.after),
        "device": job.runs_on or job.device or "",
        "attempts": f"{job.attempt} of at most {job.attempts}",
        "added": moment(job.added),
        "started": "" if job.started is None else moment(job.started) + took,
        "ended": "" if job.ended is None else moment(job.ended),
        "process": "" if job.pid is None else str(job.pid),
        "log": str(job.log_path),
    }


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def worker_line(worker: WorkerRecord) -> str:
    """One worker: what it runs, since when, whether it is to stop."""
    runs = f"runs {_jobs(worker.jobs)}" if worker.jobs else "runs no job"
    stop = {"after": ", and ends after it" if worker.jobs else ", and ends", "now": ", and is ending it"}
    return (
        f"Worker of {worker.device or 'all devices'} (process {worker.pid} on {worker.host}, since "
        f"{moment(worker.started)}) {runs}{stop.get(worker.stop or '', '')}."
    )


def _jobs(numbers: Sequence[int]) -> str:
    return f"job{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def document(job: JobRecord) -> dict:
    """A job as --json has it: its record, and what it reported of its progress."""
    report = read(job.progress_path)
    found = {**dataclasses.asdict(job), "progress": report and dataclasses.asdict(report)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def worker_document(worker: WorkerRecord) -> dict:
    """A worker as --json has it."""
    return {**dataclasses.asdict(worker), "log_path": str(worker.log_path)}
