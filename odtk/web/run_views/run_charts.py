"""The charts of a run, or of several over each other, and the table of what their curves end at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk.web.run_views.growing_table import STEP, Columns
from odtk.web.run_views.line_chart import Chart, Curve, draw

if TYPE_CHECKING:
    import numpy as np

TOTAL, PENALTY = "Loss/total_loss", "Loss/regularization_loss"
LOSS, CLASS = "Loss/", "AP/"
RATE, NORM, SPEED = "learning_rate", "gradient_norm", "images_per_sec"

NO_GROUNDTRUTH = -1.0
"""COCO's value where the images have none of a kind (odtk.evaluation.coco has the same, and loads TensorFlow)."""

_MOST_CLASSES = 6
_FINE = 1.02  # of a metric's axis
_TITLES = {
    TOTAL: ("Total loss", "loss"),
    RATE: ("Learning rate", "rate"),
    NORM: ("Norm of the gradients", "norm"),
    SPEED: ("Speed", "images/s"),
}


@dataclass(frozen=True)
class Best:
    """The evaluation whose weights are kept as the best."""

    step: int
    metric: str
    value: float


@dataclass(frozen=True)
class RunCurves:
    """What there is to draw of one run; `name` tells it from others beside it."""

    name: str
    metrics: Columns
    evaluations: Columns
    best: Best | None = None

    def measured(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of a column of the evaluations, without those that have no groundtruth."""
        steps, values = self.evaluations.series(name)
        known = values != NO_GROUNDTRUTH if not name.startswith(LOSS) else slice(None)
        return steps[known], values[known]

    @property
    def steps(self) -> list[float]:
        """The first and the last step of each file."""
        return [each.steps[end] for each in (self.metrics, self.evaluations) if each.steps for end in (0, -1)]


def short_name(metric: str) -> str:
    """A metric's name in titles: mAP of DetectionBoxes_Precision/mAP; those of losses and classes as they are."""
    return metric if metric.startswith((LOSS, CLASS)) else metric.rpartition("/")[2]


def main_metrics(columns: Columns) -> list[str]:
    """Which columns of the evaluations are a mean AP over all classes and all sizes; at most two."""
    found = [name for name in columns.values if _is_main(name)]
    return found[:2]


def draw_charts(runs: Sequence[RunCurves]) -> list[Chart]:
    """Quality first, then losses, then rate, gradients and speed; those that have a value."""
    if not any(run.steps for run in runs):
        return []
    every = [step for run in runs for step in run.steps]
    span = (min(every), max(every))
    quality = _quality_of_one(runs[0], span) if len(runs) == 1 else _quality_of_several(runs, span)
    return [chart for chart in (*quality, *_losses(runs, span), *_others(runs, span)) if chart is not None]


def _quality_of_one(run: RunCurves, span: tuple[float, float]) -> Iterator[Chart | None]:
    names = main_metrics(run.evaluations)
    if run.best and not run.best.metric.startswith(LOSS) and run.best.metric not in names:
        names = [run.best.metric, *names[:1]]
    curves = [_evaluated(run, name, short_name(name), color) for color, name in enumerate(names)]
    yield draw("quality", "Metrics on the evaluation images", "0 to 1", curves, span, top=_top(curves), zero=True)
    classes, what = _classes(run)
    curves = [_evaluated(run, name, name.removeprefix(CLASS), color) for color, name in enumerate(classes)]
    yield draw("classes", f"AP of {what}", "0 to 1", curves, span, top=_top(curves), zero=True)


def _quality_of_several(runs: Sequence[RunCurves], span: tuple[float, float]) -> Iterator[Chart | None]:
    names = list(dict.fromkeys(name for run in runs for name in main_metrics(run.evaluations)))
    for number, name in enumerate(names):
        curves = [_evaluated(run, name, run.name, color) for color, run in enumerate(runs)]
        title = f"{short_name(name)} on the evaluation images"
        yield draw(f"quality-{number}", title, "0 to 1", curves, span, top=_top(curves), zero=True)


def _classes(run: RunCurves) -> tuple[list[str], str]:
    """The columns of classes to draw, and what they are in words."""
    names = [name for name in run.evaluations.values if name.startswith(CLASS) and len(run.measured(name)[0])]
    if len(names) <= _MOST_CLASSES:
        return names, "each class"
    ranked = sorted(names, key=lambda name: run.measured(name)[1][-1], reverse=True)
    half = _MOST_CLASSES // 2
    return [*ranked[:half], *ranked[-half:]], f"the {half} best and the {half} worst of {len(names)} classes"


def _losses(runs: Sequence[RunCurves], span: tuple[float, float]) -> Iterator[Chart | None]:
    every = dict.fromkeys(name for run in runs for name in (*run.metrics.values, *run.evaluations.values))
    names = sorted((name for name in every if name.startswith(LOSS)), key=lambda name: name != TOTAL)
    for name in names:
        title, unit = _TITLES.get(name, (loss_title(name), "loss"))
        curves = [curve for color, run in enumerate(runs) for curve in _loss_curves(run, name, color, len(runs) > 1)]
        # Of a detector without penalties it is 0 throughout.
        if name != PENALTY or any(curve.values.any() for curve in curves):
            yield draw(f"loss-{name.removeprefix(LOSS)}", title, unit, curves, span)


def _loss_curves(run: RunCurves, name: str, color: int, is_among_several: bool) -> Iterator[Curve]:
    yield _trained(run, name, run.name if is_among_several else "training", color, is_noisy=True)
    if not is_among_several:
        yield _evaluated(run, name, "evaluation", color + 1)


def loss_title(name: str) -> str:
    """`Localization loss` of Loss/localization_loss; one of a deeper name as it is."""
    words = name.removeprefix(LOSS).replace("_", " ").replace("/", ": ")
    return words[:1].upper() + words[1:]


def _others(runs: Sequence[RunCurves], span: tuple[float, float]) -> Iterator[Chart | None]:
    for name, is_noisy in ((RATE, False), (NORM, True), (SPEED, False)):
        labels = [run.name if len(runs) > 1 else _TITLES[name][0] for run in runs]
        curves = [
            _trained(run, name, label, color, is_noisy)
            for color, (run, label) in enumerate(zip(runs, labels, strict=True))
        ]
        yield draw(name.replace("_", "-"), *_TITLES[name], curves, span, zero=name == SPEED)


def _trained(run: RunCurves, name: str, label: str, color: int, is_noisy: bool = False) -> Curve:
    return Curve(label, *run.metrics.series(name), color, is_noisy=is_noisy, bad=run.metrics.bad.get(name, ()))


def _evaluated(run: RunCurves, name: str, label: str, color: int) -> Curve:
    best = (run.best.step, run.best.value) if run.best and run.best.metric == name else None
    bad = run.evaluations.bad.get(name, ()) if name.startswith(LOSS) else ()
    return Curve(label, *run.measured(name), color, is_measured=True, bad=bad, best=best)


def _top(curves: Sequence[Curve]) -> float:
    """Of an axis of metrics: 1 at most, and less while all are small."""
    greatest = max((float(curve.values.max()) for curve in curves if len(curve.values)), default=1.0)
    return min(_FINE, max(0.1, 1.25 * greatest))


def _is_main(name: str) -> bool:
    kind, _, metric = name.partition("/")
    return metric.startswith("mAP") and "(" not in metric and kind != "AP" and not kind.endswith("ByCategory")


@dataclass(frozen=True)
class LastValue:
    """A row of the table beside the charts: where a curve stands, and its best value so far."""

    name: str
    last: float
    step: float
    extreme: float
    extreme_step: float


def last_values(run: RunCurves) -> list[LastValue]:
    """One for each curve: metrics and classes, then the evaluation's losses, then what is logged of training."""
    classes, _ = _classes(run)
    metrics = [name for name in run.evaluations.values if not name.startswith((LOSS, CLASS))] + classes
    losses = [name for name in run.evaluations.values if name.startswith(LOSS)]
    logged = [name for name in run.metrics.values if name not in (STEP, "epoch", "seconds")]
    rows = [_row(short_name(name), *run.measured(name), False) for name in metrics]
    rows += [_row(f"{loss_title(name)}, evaluation", *run.measured(name), True) for name in losses]
    rows += [_row(_logged_name(name), *run.metrics.series(name), name != SPEED) for name in logged]
    return [row for row in rows if row is not None]


def _logged_name(name: str) -> str:
    if name in _TITLES and name != TOTAL:
        return _TITLES[name][0]
    return f"{loss_title(name)}, training" if name.startswith(LOSS) else name.replace("_", " ")


def _row(name: str, steps: np.ndarray, values: np.ndarray, is_least: bool) -> LastValue | None:
    if not len(steps):
        return None
    at = int(values.argmin() if is_least else values.argmax())
    return LastValue(name, float(values[-1]), float(steps[-1]), float(values[at]), float(steps[at]))
