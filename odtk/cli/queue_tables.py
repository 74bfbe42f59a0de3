"""How the jobs of a queue are shown: as a table, in full, and as a JSON document."""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from odtk.cli.options import cell
from odtk.progress import as_clock, report_line
from odtk.progress_file import ProgressReport, read
from odtk.queue import CANCELLED, DONE, ENDED, FAILED, INTERRUPTED, RUNNING, SKIPPED, WAITING, JobRecord, WorkerRecord
from odtk.terminal_text import on_one_line

ENDED_SHOWN = 20
"""Of the jobs that ended, a table has the last ones."""

OLD_REPORT = 15.0
"""Seconds after which the age of a report is shown."""

_COLORS = {RUNNING: "cyan", DONE: "green", FAILED: "red", INTERRUPTED: "red", CANCELLED: "yellow", SKIPPED: "yellow"}
_COLUMNS = ["Job", "Priority", "State", "Command", ""]
_LAST_BYTES = 64 * 1024


def title(job: JobRecord) -> str:
    """`job 3`, or `job 3 (NAME)`."""
    return f"job {job.number}" + f" ({on_one_line(job.name)})" * bool(job.name)


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
    """A table on stdout, in the order in which the queue gives the jobs; only the last of those that ended."""
    ended = [job.number for job in sorted(jobs, key=lambda job: job.ended or 0) if job.state in ENDED]
    left_out = set(ended[:-ENDED_SHOWN])
    shown = [job for job in jobs if job.number not in left_out]
    if _is_terminal():
        _draw(shown)
    else:
        _print_aligned([_COLUMNS, *(_cells(job) for job in shown)])
    if left_out:
        click.echo(f"and {len(left_out):,} more that ended earlier (--json has them all)")


def _cells(job: JobRecord) -> list[str]:
    words = shlex.join(job.command)
    return [
        str(job.number),
        str(job.priority),
        job.state,
        on_one_line(f"{job.name}: {words}" if job.name else words),
        on_one_line(status(job)),
    ]


def _is_terminal() -> bool:
    import sys

    return sys.stdout is not None and sys.stdout.isatty()


def _draw(jobs: Sequence[JobRecord]) -> None:
    from rich.console import Console

    Console().print(table(jobs))


def table(jobs: Sequence[JobRecord]):
    """The same as a rich table: commands are cut to fit, and what is known of the jobs may take several lines."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False)
    for heading, how in zip(_COLUMNS, _HOW, strict=True):
        drawn.add_column(heading, **how)
    for job in jobs:
        *cells, last = map(cell, _cells(job))
        cells[2].stylize(_COLORS.get(job.state, ""))
        drawn.add_row(*cells, last)
    return drawn


_HOW: list[dict] = [
    {"justify": "right", "no_wrap": True},
    {"justify": "right", "no_wrap": True},
    {"no_wrap": True},
    {"no_wrap": True, "overflow": "ellipsis", "ratio": 2, "min_width": 16},
    {"overflow": "fold", "ratio": 3, "min_width": 24},
]


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            each.rjust(width) if how.get("justify") else each.ljust(width)
            for each, width, how in zip(row, widths, _HOW, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def status(job: JobRecord) -> str:
    """What is known of a job beside its state, on one line."""
    return ", ".join(filter(None, _of_running(job) if job.state == RUNNING else _of_others(job)))


def _of_running(job: JobRecord) -> list[str]:
    return [
        "is being cancelled" if job.is_cancelling else "",
        _attempt(job),
        job.reason or "",
        f"on {job.runs_on}" if job.runs_on not in (None, "all") else "",
        progress_line(job) or ("" if job.seconds is None else f"for {as_clock(job.seconds)}"),
    ]


def _of_others(job: JobRecord) -> list[str]:
    if job.state == WAITING:
        return [job.reason or "", f"for {job.device}" if job.device else ""]
    return [
        f"exit code {job.exit_code}" if job.exit_code else "",
        job.reason or "",
        "" if job.seconds is None or job.started is None else f"took {as_clock(job.seconds)}",
        "" if job.ended is None else moment(job.ended),
    ]


def _attempt(job: JobRecord) -> str:
    return f"attempt {job.attempt} of {job.attempts}" if job.attempt > 1 else ""


def moment(seconds: float) -> str:
    """A time of day, with the date unless it is today's."""
    then = datetime.fromtimestamp(seconds)
    return f"{then:%H:%M:%S}" if then.date() == datetime.now().date() else f"{then:%Y-%m-%d %H:%M:%S}"


def progress(job: JobRecord) -> ProgressReport | None:
    """What the job reported in its last attempt."""
    report = read(job.progress_path)
    return report if report and job.started is not None and report.time >= job.started else None


def progress_line(job: JobRecord) -> str:
    """The same on one line, with its age if it is old and the job runs; "" if there is none."""
    report = progress(job)
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
    how = [job.state, f"exit code {job.exit_code}" if job.exit_code else "", job.reason or ""]
    return {
        "state": ", ".join(filter(None, [*how, "is being cancelled" if job.is_cancelling else ""])),
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
    report = progress(job)
    found = {**dataclasses.asdict(job), "progress": report and dataclasses.asdict(report)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def worker_document(worker: WorkerRecord) -> dict:
    """A worker as --json has it."""
    return {**dataclasses.asdict(worker), "log_path": str(worker.log_path)}
