"""The runs that pages look at: each file is read once for all tabs, and then only what was added to it."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from odtk.web.run_views import run_folder
from odtk.web.run_views.best_metrics import MetricRow, best_metrics
from odtk.web.run_views.growing_log import GrowingLog
from odtk.web.run_views.growing_table import GrowingTable
from odtk.web.run_views.line_chart import Chart
from odtk.web.run_views.run_charts import Best, LastValue, RunCurves, draw_charts, last_values

MOST_RUNS = 8
"""Kept in memory; a run of 100,000 rows takes some ten megabytes."""

_RECENT_ROWS = 20

_Kept = TypeVar("_Kept")


class Recent(Generic[_Kept]):
    """The last things that were asked for by their keys, at most so many."""

    def __init__(self, most: int):
        self._most, self._kept, self._lock = most, OrderedDict[Hashable, _Kept](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        """What is kept under a key, made if it is not there."""
        with self._lock:
            found = self._kept.pop(key, None)
            self._kept[key] = found = make() if found is None else found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return found


@dataclass(frozen=True)
class Standing:
    """Where a run stands by its CSV files."""

    step: int | None
    epoch: float | None
    images_per_second: float | None
    steps_per_second: float | None
    """Over the last rows, evaluations and checkpoints included."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was drawn of one or more runs; another object whenever something is new."""

    charts: Sequence[Chart]
    values: Sequence[Sequence[LastValue]]
    """Of each run."""
    standings: Sequence[Standing]
    bests: Sequence[Best | None]
    metrics: Sequence[MetricRow]
    """Of the best weights, beside each other."""


class WatchedRun:
    """The tables of one model dir; whoever reads them holds `lock`, as pages in several threads ask at once."""

    def __init__(self, folder: Path):
        self.folder, self.lock = folder, threading.Lock()
        self._metrics = GrowingTable(folder / run_folder.METRICS)
        self._evaluations = GrowingTable(folder / run_folder.EVALUATIONS)

    def look(self, name: str) -> tuple[RunCurves, Hashable]:
        """The rows as they are now, and what differs whenever they do."""
        best = run_folder.best_weights(self.folder)
        curves = RunCurves(name, self._metrics.update(), self._evaluations.update(), best)
        return curves, (self._metrics.version, self._evaluations.version, best)


class _Drawing:
    """The last drawing of some runs."""

    def __init__(self) -> None:
        self.version: Hashable = None
        self.drawn: Drawn | None = None


class RunStore:
    """The runs and the logs of a workspace that were looked at last."""

    def __init__(self) -> None:
        self._runs, self._logs = Recent[WatchedRun](MOST_RUNS), Recent[GrowingLog](MOST_RUNS)
        self._drawings = Recent[_Drawing](MOST_RUNS)
        self._pieces = weakref.WeakKeyDictionary[Drawn, dict[str, str]]()
        self._lock = threading.Lock()

    def draw(self, named: Sequence[tuple[str, Path]]) -> Drawn:
        """Charts and figures of runs (name and model dir), drawn again only if one of them has something new."""
        runs = [(name, self._runs.get(folder, functools.partial(WatchedRun, folder))) for name, folder in named]
        drawing = self._drawings.get(tuple(named), _Drawing)
        with contextlib.ExitStack() as stack:
            for run in sorted({run for _, run in runs}, key=lambda run: run.folder):  # in one order: no two can wait
                stack.enter_context(run.lock)
            looks = [run.look(name) for name, run in runs]
            version = tuple(version for _, version in looks)
            if drawing.drawn is None or drawing.version != version:
                drawing.drawn, drawing.version = _drawn([curves for curves, _ in looks]), version
            return drawing.drawn

    def pieces(self, drawn: Drawn, make: Callable[[], dict[str, str]]) -> dict[str, str]:
        """The pieces of pages that show a drawing, made once for all tabs."""
        if drawn not in self._pieces:
            self._pieces[drawn] = make()
        return self._pieces[drawn]

    def log(self, path: Path) -> GrowingLog:
        """A log, up to date."""
        found = self._logs.get(path, lambda: GrowingLog(path))
        with self._lock:
            found.update()
        return found


_stores = weakref.WeakKeyDictionary[object, RunStore]()


def store_of(studio: object) -> RunStore:
    """The one of a studio, which all its pages share."""
    return _stores.setdefault(studio, RunStore())


def _drawn(curves: Sequence[RunCurves]) -> Drawn:
    return Drawn(
        draw_charts(curves),
        [last_values(each) for each in curves],
        [_standing(each) for each in curves],
        [each.best for each in curves],
        best_metrics(curves),
    )


def _standing(curves: RunCurves) -> Standing:
    metrics = curves.metrics
    if not len(metrics):
        return Standing(None, None, None, None)
    last = metrics.row(-1)
    # Not the first row, whose step compiled; and not over a resume, behind which the seconds go on where they were.
    before = metrics.row(max(-_RECENT_ROWS - 1, 1 - len(metrics))) if len(metrics) > 2 else {}
    seconds = last.get("seconds", 0.0) - before.get("seconds", last.get("seconds", 0.0))
    rate = (last["step"] - before["step"]) / seconds if seconds > 0 else None
    return Standing(int(last["step"]), last.get("epoch"), last.get("images_per_sec"), rate)
