"""Progress on stderr: a live bar on a terminal, otherwise a plain line every few seconds, both with rate and ETA."""

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence

from odtk.progress_file import ProgressFile, ProgressReport
from odtk.terminal_text import Escaping, on_one_line

PLAIN_LINE_SECONDS = 10.0

# The rate is measured over this many seconds, so that the first training step, which compiles, does not count for long.
RATE_SECONDS = 20.0

# On narrower terminals the bar is omitted to make room for the numbers.
WIDTH_WITH_BAR = 110


class Progress:
    """A count towards `total` (None: unknown) that is shown to the user; to be used through `track`."""

    def __init__(self, title: str, total: int | None, unit: str, completed: int = 0, compiles: bool = False):
        self.title, self.total, self.unit = title, total, unit
        self.completed, self._compiling = completed, compiles
        self.note = ""
        self._recent = deque([(time.monotonic(), completed)])
        self._file = ProgressFile.of_environment()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Adds `count`; `note` replaces the text at the end of the line (for example the loss)."""
        self.update(self.completed + count, note)

    def update(self, completed: int, note: str | None = None) -> None:
        """Sets the count."""
        self.completed = completed
        if note is not None:
            self.note = note
        now = time.monotonic()
        if self._compiling:
            self._compiling = False
            self._recent.clear()
        self._recent.append((now, completed))
        while len(self._recent) > 2 and now - self._recent[0][0] > RATE_SECONDS:
            self._recent.popleft()
        self.show()

    def all_done(self) -> None:
        """What was done is all there was: the total was an estimate."""
        self.total = self.completed
        self.show()

    @property
    def rate(self) -> float | None:
        """Recent units per second; None before the first update and while the count does not change."""
        if len(self._recent) < 2:
            return None
        (then, before), (now, completed) = self._recent[0], self._recent[-1]
        return (completed - before) / max(now - then, 1e-9) or None

    def report(self) -> ProgressReport:
        """The figures at this moment."""
        eta = None
        if self.rate and self.total and self.completed < self.total:
            eta = (self.total - self.completed) / self.rate
        return ProgressReport(self.title, self.completed, self.total, self.unit, self.rate, eta, self.note)

    def line(self) -> str:
        """The plain line: `Training 40/600 steps, 3.1 steps/s, ETA 3:01, loss 0.52`."""
        return report_line(self.report())

    def show(self) -> None:
        """Shows the figures to the user, and to the queue whose job this is."""
        self._show()
        self._file.offer(self.report)

    def end(self) -> None:
        """Ends the display; the last figures stay in the queue."""
        self._close()
        self._file.offer(self.report, is_last=True)

    def _show(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """Ends the display, with a last line if needed."""


class _PlainProgress(Progress):
    """Prints a line immediately, then every PLAIN_LINE_SECONDS, and at the end."""

    _last = float("-inf")

    def _show(self) -> None:
        if time.monotonic() - self._last >= PLAIN_LINE_SECONDS:
            self._print()

    def _print(self) -> None:
        self._last = time.monotonic()
        self._printed = self.completed, self.total
        print(self.line(), file=sys.stderr, flush=True)

    def _close(self) -> None:
        if (self.completed, self.total) != getattr(self, "_printed", None):
            self._print()


class _LiveProgress(Progress):
    """A rich progress bar."""

    def __init__(self, title: str, total: int | None, unit: str, completed: int = 0, compiles: bool = False):
        super().__init__(title, total, unit, completed, compiles)
        from rich.progress import BarColumn, MofNCompleteColumn, RenderableColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        # A narrow terminal gets no bar and fewer parts of the note, but never two lines: a notebook cannot redraw them.
        console = terminal()
        self._note = FittingParts()
        bar = [BarColumn(bar_width=12, table_column=Column(no_wrap=True))]
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            *(bar if console.width >= WIDTH_WITH_BAR else []),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            RenderableColumn(self._note, table_column=Column(no_wrap=False)),
            console=console,
            refresh_per_second=2,  # a notebook keeps every redraw in its output
        )
        self._task = self._bar.add_task(title, total=total, completed=completed, speed="")
        self._shown = contextlib.ExitStack()
        self._shown.enter_context(printing_above(self._bar))

    def _show(self) -> None:
        speed = f"{as_number(self.rate)} {self.unit}/s" if self.rate else ""
        self._note.parts = self.note.split(", ")
        self._bar.update(self._task, completed=self.completed, total=self.total, speed=speed)

    def _close(self) -> None:
        self._shown.close()


class FittingParts:
    """A line for rich: as many of `parts` as fit; a first part that is too long is cut."""

    def __init__(self, parts: Sequence[str] = (), separator: str = ", ", style: str = ""):
        self.parts, self._separator, self._style = parts, separator, style

    def __rich_console__(self, console, options):
        from rich.text import Text

        parts = [on_one_line(part) for part in self.parts]
        while len(parts) > 1 and len(self._separator.join(parts)) > options.max_width:
            parts.pop()
        yield Text(self._separator.join(parts), style=self._style, no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, console, options):
        from rich.measure import Measurement

        length = len(self._separator.join(on_one_line(part) for part in self.parts))
        return Measurement(1, max(length, 1)).with_maximum(options.max_width)


def terminal():
    """A rich console that draws on stderr itself, past the stream that escapes."""
    from rich.console import Console

    return Console(file=getattr(sys.stderr, "rich_proxied_file", sys.stderr))


@contextlib.contextmanager
def printing_above(live) -> Iterator[None]:
    """Shows a rich Live or Progress while the block runs; what is printed to stderr meanwhile goes above it."""
    stderr = sys.stderr
    live.start()
    # rich's stream, which now stands there, does not escape anything.
    sys.stderr = Escaping(sys.stderr)
    try:
        yield
    finally:
        live.stop()
        sys.stderr = stderr


def can_redraw() -> bool:
    """Whether several lines of stderr can be drawn over: not in a notebook, whose cells keep every redraw.

    A program that a notebook runs (`!odtk train`) does have a terminal, but one that only understands one line; Jupyter
    tells the programs that its kernels start by a variable.
    """
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and "JPY_PARENT_PID" not in os.environ


def plain_line_seconds(elapsed: float) -> float:
    """Seconds between plain lines of something that takes hours: a minute at last, so that a log stays readable."""
    return min(max(PLAIN_LINE_SECONDS, elapsed / 100), 60.0)


@contextlib.contextmanager
def track(
    title: str, total: int | None, unit: str, completed: int = 0, compiles: bool = False, note: str = ""
) -> Iterator[Progress]:
    """Shows progress while the block runs; `completed` is the initial count (of a resumed run).

    A `note` on the work before the first update is shown immediately.

    `compiles` excludes the time before the first update, in which TensorFlow compiles or workers start, from the rate.
    """
    kind = _LiveProgress if sys.stderr.isatty() else _PlainProgress
    progress = kind(title, total, unit, completed, compiles)
    if note:
        progress.note = note
        progress.show()
        progress.note = ""
    try:
        yield progress
    finally:
        progress.end()


def report_line(report: ProgressReport) -> str:
    """A report on one line, as `Progress.line` has it."""
    of = f"/{report.total}" if report.total else ""
    parts = [f"{report.title} {report.completed}{of} {report.unit}"]
    if report.rate:
        parts.append(f"{as_number(report.rate)} {report.unit}/s")
    if report.eta is not None:
        parts.append(f"ETA {as_clock(report.eta)}")
    return ", ".join(parts + [report.note] * bool(report.note))


def as_number(rate: float) -> str:
    """At least three digits, without an exponent: 3.14, 1,954."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def as_clock(seconds: float) -> str:
    """3:01 or 1:03:01."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
