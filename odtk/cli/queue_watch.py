"""Shows what a queue does while a command waits for it: a live table on a terminal, plain lines elsewhere."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from odtk.cli import queue_tables
from odtk.errors import OdtkError
from odtk.progress import can_redraw, plain_line_seconds, printing_above, terminal
from odtk.queue import ENDED, RUNNING, JobRecord, Queue

_SECONDS_BETWEEN_LOOKS = 0.5
_REDRAWS_PER_SECOND = 2
_CHUNK = 1 << 16


@contextlib.contextmanager
def watching(queue: Queue, log: Callable[[str], None], numbers: Sequence[int] | None = None) -> Iterator[None]:
    """Shows while the block runs what happens to the jobs (None: all of the queue), in a thread of its own."""
    watch = _Watch(queue, log, numbers)
    ended = threading.Event()
    thread = threading.Thread(target=watch.look_until, args=(ended,), daemon=True)
    shown = printing_above(watch.live()) if can_redraw() else contextlib.nullcontext()
    with shown:
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class _Watch:
    """What is known of the jobs; `look` asks the queue again."""

    def __init__(self, queue: Queue, log: Callable[[str], None], numbers: Sequence[int] | None):
        self._queue, self._log, self._numbers = queue, log, numbers
        self._states: dict[int, str] = {}
        self._jobs: list[JobRecord] = []
        self._reported: dict[int, tuple[float, str]] = {}
        self._is_live, self._is_new = can_redraw(), True
        self.look()

    def look_until(self, ended: threading.Event) -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()
        self.look()

    def look(self) -> None:
        try:
            jobs = self._queue.jobs()
        except OdtkError:  # whoever waits for the jobs meets it too, and says it
            return
        self._jobs = [job for job in jobs if self._numbers is None or job.number in self._numbers]
        for job in self._jobs:
            before = self._states.get(job.number, job.state if self._is_new else None)
            self._states[job.number] = job.state
            if job.state != before:
                self._log_change(job)
            elif job.state == RUNNING and not self._is_live:
                self._log_progress(job)
        self._is_new = False

    def _log_change(self, job: JobRecord) -> None:
        if job.state == RUNNING:
            self._log(f"{queue_tables.title_line(job)}: runs {queue_tables.command(job)}")
        else:
            self._log(queue_tables.job_line(job))

    def _log_progress(self, job: JobRecord) -> None:
        """A line as often as the job itself prints plain ones, if it reported something since the last one."""
        last, said = self._reported.get(job.number, (float("-inf"), ""))
        line = queue_tables.progress_line(job)
        if line and line != said and time.monotonic() - last >= plain_line_seconds(job.seconds or 0.0):
            self._reported[job.number] = time.monotonic(), line
            self._log(f"Job {job.number}: {line}")

    def live(self):
        """What rich draws again and again: the jobs that run, and how many wait and have ended."""
        from rich.live import Live

        console = terminal()
        return Live(get_renderable=lambda: self._drawn(console.width), console=console, transient=True,
                    refresh_per_second=_REDRAWS_PER_SECOND, redirect_stdout=False)  # fmt: skip

    def _drawn(self, columns: int):
        from rich.console import Group

        jobs = self._jobs
        running = [job for job in jobs if job.state == RUNNING]
        return Group(*([queue_tables.table(running, columns)] if running else []), counts(jobs))


def counts(jobs: Sequence[JobRecord]) -> str:
    """How many jobs are in which state: `1 running, 3 waiting, 12 done`."""
    found = Counter(job.state for job in jobs)
    return ", ".join(f"{number:,} {state}" for state, number in found.items()) or "no jobs"


def follow_log(queue: Queue, number: int) -> None:
    """Prints a job's log on stdout from its beginning, and what is added to it, until the job has ended."""
    offset = 0
    while True:
        # Asked before the log is read: what is printed until the job ends is then read, too.
        has_ended = queue.job(number).state in ENDED
        offset = print_log(queue.log_path(number), offset)
        if has_ended:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def print_log(path: Path, offset: int) -> int:
    """Prints a log from an offset on as it is, and returns where it ended."""
    import codecs

    # A character may be cut by the end of what is there so far; its bytes are read again.
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(offset)
        while data := file.read(_CHUNK):
            text, used = codecs.utf_8_decode(data, "replace", False)
            if not used:
                break
            click.echo(text, nl=False)
            offset += used
            file.seek(offset)
    return offset
