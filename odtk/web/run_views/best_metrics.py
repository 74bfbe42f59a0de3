"""What was measured of the best weights of runs, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odtk.web.run_views.run_charts import LOSS, NO_GROUNDTRUTH, RunCurves, short_name


@dataclass(frozen=True)
class MetricRow:
    """A metric of each run's best weights; `best` is the place of the greatest (of a loss: the least) value."""

    name: str
    values: Sequence[float | None]
    best: int | None


def best_metrics(runs: Sequence[RunCurves]) -> list[MetricRow]:
    """The step of the best weights, and what was measured of them; of a run without such, its last evaluation."""
    rows = [_best_row(run) for run in runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = []
    for name in names:
        values = [row.get(name) for row in rows]
        if any(value not in (None, NO_GROUNDTRUTH) for value in values):
            found.append(MetricRow(_title(name), values, None if name == "step" else _place(values, name)))
    return found


def _title(name: str) -> str:
    return "step of the best weights" if name == "step" else short_name(name)


def _best_row(run: RunCurves) -> dict[str, float]:
    columns = run.evaluations
    if not len(columns):
        return {}
    steps = list(columns.steps)
    at = steps.index(run.best.step) if run.best and run.best.step in steps else -1
    return {name: value for name, value in columns.row(at).items() if value != NO_GROUNDTRUTH or name.startswith(LOSS)}


def _place(values: Sequence[float | None], name: str) -> int | None:
    known = [(value, number) for number, value in enumerate(values) if value is not None]
    if len(known) < 2 or len({value for value, _ in known}) == 1:
        return None
    return (min if name.startswith(LOSS) else max)(known)[1]
