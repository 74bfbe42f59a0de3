"""The curves of a training run in one figure: losses, metrics, per-class AP, learning rate, gradients and speed.

Drawn with matplotlib's Figure alone: pyplot's global state would disturb a notebook's own figures.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from odtk.report import class_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, float]

TOTAL = "Loss/total_loss"
PENALTY = "Loss/regularization_loss"

_COLUMNS = 3
_PANEL = 5.4, 3.6  # inches
_HEAD = 0.6  # inches
_DPI = 100
_RAW, _SMOOTH, _EVAL, _BEST = "#9ecae1", "#1f77b4", "#ff7f0e", "#2ca02c"
_MOST_POINTS = 2000  # of a curve; a panel has fewer pixels
_LOG_FROM = 20  # greatest over small values of a curve that is drawn on a logarithmic axis
_MOST_MARKERS = 60  # of a curve; more would hide it
_MOST_TO_AVOID = 300  # rows
_SMOOTHED = 40  # an average reaches over this fraction of the rows


@dataclass(frozen=True)
class Best:
    """The evaluation whose weights are the best."""

    step: int
    metric: str  # a name of `evaluations`
    value: float


@dataclass(frozen=True)
class Curves:
    """What is drawn; both lists are in the order of steps, and a row need not have every name."""

    title: str
    metrics: Sequence[Row]  # step, images_per_sec, Loss/..., learning_rate, gradient_norm
    evaluations: Sequence[Row]  # step, metrics under their names, Loss/..., AP/CLASS
    quality: Sequence[str]  # names of the metrics that have a panel
    best: Best | None = None
    steps_per_epoch: float | None = None


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_curves(curves: Curves) -> Figure:
    """All panels for which there are values, three in a row; readable at 100 %."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = replace(curves, metrics=_thinned(curves.metrics))
    panels = _panels(curves)
    rows = max(1, -(-len(panels) // _COLUMNS))
    columns = min(_COLUMNS, max(1, len(panels)))
    width, height = _PANEL[0] * columns, _PANEL[1] * rows + _HEAD
    figure = Figure((width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.suptitle(curves.title, fontsize=14, y=1 - 0.12 / height, va="top")
    # In inches, as a layout that matplotlib finds by itself takes half of the time.
    grid = figure.add_gridspec(
        rows, columns, left=0.8 / width, right=1 - 0.15 / width, bottom=0.5 / height, top=1 - (_HEAD + 0.45) / height,
        wspace=0.19, hspace=0.42 if curves.steps_per_epoch else 0.3,
    )  # fmt: skip
    for number, draw in enumerate(panels):
        axes = figure.add_subplot(grid[number])
        draw(axes)
        _finish(axes, curves)
    return figure


def _panels(curves: Curves) -> list[Callable[[Axes], None]]:
    panels: list[Callable[[Axes], None]] = []
    if any(name in row for row in curves.evaluations for name in curves.quality):
        panels.append(partial(_draw_quality, curves=curves))
    if class_curves.class_names(curves.evaluations):
        panels.append(partial(class_curves.draw, evaluations=curves.evaluations))
    losses = [name for name in _names(curves.metrics, curves.evaluations) if name.startswith("Loss/")]
    if not any(row.get(PENALTY) for row in (*curves.metrics, *curves.evaluations)):
        losses = [name for name in losses if name != PENALTY]  # 0 throughout: a detector without penalties
    losses.sort(key=lambda name: name != TOTAL)
    panels += [partial(_draw_loss, curves=curves, name=name) for name in losses]
    others = {"learning_rate": _draw_rate, "gradient_norm": _draw_norm, "images_per_sec": _draw_speed}
    known = set(_names(curves.metrics))
    return panels + [partial(draw, curves=curves) for name, draw in others.items() if name in known]


def _names(*tables: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for rows in tables for row in rows for name in row))


def column(rows: Sequence[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of the rows that have the name."""
    points = [(row["step"], row[name]) for row in rows if name in row]
    array = np.asarray(points, float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """The moving average over about the last `window` values; those that are not finite are left out.

    The first values are averages of fewer: an exponential average without its start at 0.
    """
    keep, average, weight = 1 - 2 / (max(window, 1) + 1), 0.0, 0.0
    result = np.full(len(values), math.nan)
    for i, value in enumerate(values):
        if math.isfinite(value):
            average, weight = keep * average + (1 - keep) * value, keep * weight + (1 - keep)
            result[i] = average / weight
    return result


def _draw_quality(axes: Axes, curves: Curves) -> None:
    for name, color in zip(curves.quality, (_SMOOTH, _EVAL, "#9467bd"), strict=False):
        steps, values = column(curves.evaluations, name)
        axes.plot(steps, values, marker=marker_of(steps), color=color, markersize=3, label=short_name(name))
    if curves.best and curves.best.metric in curves.quality:
        _mark_best(axes, curves.best)
    axes.set_ylim(0, _top_of_quality(curves))
    _title(axes, "Metrics on the evaluation images", "0 to 1")
    _legend(axes, curves, "lower right")


def _top_of_quality(curves: Curves) -> float:
    values = np.concatenate([column(curves.evaluations, name)[1] for name in curves.quality])
    values = values[np.isfinite(values)]
    return float(min(1.05, max(0.1, 1.25 * values.max()))) if len(values) else 1.0


def _mark_best(axes: Axes, best: Best) -> None:
    label = f"best: {best.value:.3g} at step {best.step:,}"
    axes.plot([best.step], [best.value], "*", color=_BEST, markersize=15, zorder=5, label=label)


def _draw_loss(axes: Axes, curves: Curves, name: str) -> None:
    trained = column(curves.metrics, name)
    steps, values = column(curves.evaluations, name)
    _draw_measured(axes, *trained, "training")
    _scale(axes, np.concatenate([trained[1], values]))
    if len(steps):
        axes.plot(steps, values, marker=marker_of(steps), color=_EVAL, markersize=3, label="evaluation")
    if curves.best and curves.best.metric == name:
        _mark_best(axes, curves.best)
    _title(axes, "Total loss" if name == TOTAL else name, "loss")
    _legend(axes, curves, "upper right")


def _draw_rate(axes: Axes, curves: Curves) -> None:
    steps, values = column(curves.metrics, "learning_rate")
    _draw_line(axes, steps, values, color=_SMOOTH)
    _scale(axes, values)
    _title(axes, "Learning rate", "rate")


def _draw_norm(axes: Axes, curves: Curves) -> None:
    steps, values = column(curves.metrics, "gradient_norm")
    _draw_measured(axes, steps, values, "each log")
    _scale(axes, values)
    _title(axes, "Norm of the gradients, before clipping", "norm")
    _legend(axes, curves, "upper right")


def _draw_speed(axes: Axes, curves: Curves) -> None:
    steps, values = column(curves.metrics, "images_per_sec")
    _draw_line(axes, steps, values, color=_SMOOTH)
    finite = values[np.isfinite(values)]
    if len(finite):
        axes.axhline(float(np.median(finite)), color="gray", linewidth=1, linestyle=":")
        axes.set_ylim(0, max(1.4 * float(np.median(finite)), 1.1 * float(np.percentile(finite, 98)), 1e-3))
        _title(axes, f"Speed: {np.median(finite):.3g} images/s (median)", "images/s")
    else:
        _title(axes, "Speed", "images/s")


def _draw_measured(axes: Axes, steps: np.ndarray, values: np.ndarray, label: str) -> None:
    """A noisy curve, as it is and smoothed, and a mark where it was not finite."""
    window = len(steps) // _SMOOTHED
    smoothed = smooth(values, window)
    if window > 1:
        _draw_line(axes, steps, values, color=_RAW, linewidth=0.8, label=label)
        _draw_line(axes, steps, smoothed, color=_SMOOTH, label=f"{label}, smoothed")
    else:
        _draw_line(axes, steps, values, color=_SMOOTH, label=label)
    bad = ~np.isfinite(values)
    if bad.any():
        edge = axes.get_xaxis_transform()  # the bottom of the panel, whatever the values
        marks: dict[str, Any] = {"color": "red", "label": "NaN or infinite", "clip_on": False, "zorder": 6}
        axes.plot(steps[bad], np.full(bad.sum(), 0.02), "x", transform=edge, **marks)


def _draw_line(axes: Axes, steps: np.ndarray, values: np.ndarray, **style) -> None:
    finite = np.where(np.isfinite(values), values, math.nan)
    # A point without finite neighbors has no line.
    axes.plot(steps, finite, marker="o" if np.isfinite(finite).sum() < 3 else "", markersize=4, **style)


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """About _MOST_POINTS of the rows, with the last one and all that have a value that is not finite."""
    stride = -(-len(rows) // _MOST_POINTS)
    if stride <= 1:
        return list(rows)
    return [
        row
        for number, row in enumerate(rows)
        if number % stride == 0 or number == len(rows) - 1 or not all(map(math.isfinite, row.values()))
    ]


def _scale(axes: Axes, values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    # Not the smallest value: a cosine schedule ends near 0, and its shape is lost on a logarithmic axis.
    if len(finite) and finite.min() > 0 and finite.max() / np.percentile(finite, 20) >= _LOG_FROM:
        axes.set_yscale("log")


def _legend(axes: Axes, curves: Curves, place: Literal["lower right", "upper right"]) -> None:
    """Where it covers least; for many points matplotlib would be slow to find that, and `place` is free."""
    is_short = len(curves.metrics) + len(curves.evaluations) <= _MOST_TO_AVOID
    axes.legend(loc="best" if is_short else place, fontsize=9)


def _title(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title)
    axes.set_ylabel(unit, fontsize=9)


def _finish(axes: Axes, curves: Curves) -> None:
    """The axes of steps and epochs, the same in all panels."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    steps = [row["step"] for row in (*curves.metrics, *curves.evaluations)]
    first, last = min(steps), max(steps)
    margin = max(1.0, 0.02 * (last - first))
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.set_xlabel("step", fontsize=9, labelpad=1)
    axes.tick_params(labelsize=9)
    if not axes.collections:  # not across the colors of classes
        axes.grid(alpha=0.3)
    # Placed here: where matplotlib places it takes a third of the time.
    axes.set_title(axes.get_title(), fontsize=11, y=1.12 if curves.steps_per_epoch else 1.0)
    if per_epoch := curves.steps_per_epoch:
        of_steps, of_epochs = (partial(np.multiply, factor) for factor in (1 / per_epoch, per_epoch))
        epochs = axes.secondary_xaxis("top", (of_steps, of_epochs))
        epochs.set_xlabel("epoch", fontsize=8, labelpad=2)
        epochs.tick_params(labelsize=8, pad=1)


def marker_of(steps: np.ndarray) -> str:
    """The marker of evaluations, unless there are too many."""
    return "o" if len(steps) <= _MOST_MARKERS else ""


def short_name(metric: str) -> str:
    """A metric's name in titles: mAP of DetectionBoxes_Precision/mAP; those of losses and classes as they are."""
    return metric if metric.startswith(("Loss/", class_curves.PREFIX)) else metric.rpartition("/")[2]
