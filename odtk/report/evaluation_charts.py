"""The charts of an evaluation, from plain arrays; each is a Chart in light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from odtk.report.chart_style import Chart, Palette, render, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CURVES = 6
_CURVE_HEIGHT = 320


def precision_recall(
    recalls: np.ndarray, names: Sequence[str], curves: np.ndarray, means: Mapping[str, np.ndarray]
) -> Chart:
    """Precision against recall: `curves` [classes, recalls] of the named classes, `means` [recalls] by their labels.

    The legend has each curve's mean, which is its AP. Of many classes the worst and the best are named.
    """
    draw = partial(_draw_precision_recall, recalls=recalls, names=names, curves=curves, means=means)
    return render(draw, _CURVE_HEIGHT, "Precision against recall, of each class and their mean")


def _draw_precision_recall(
    figure: Figure,
    palette: Palette,
    recalls: np.ndarray,
    names: Sequence[str],
    curves: np.ndarray,
    means: Mapping[str, np.ndarray],
) -> None:
    axes = figure.add_subplot()
    _draw_class_lines(axes, palette, recalls, names, curves, curves.mean(axis=1))
    for (label, mean), style in zip(means.items(), ("-", "--", ":"), strict=False):
        axes.plot(recalls, mean, color=palette.ink, linewidth=2, linestyle=style, label=_labeled(label, mean.mean()))
    _finish(axes, "recall", "precision")
    axes.legend(loc="lower left")


def confidence_curves(
    confidences: np.ndarray, precision: np.ndarray, recall: np.ndarray, f1: np.ndarray, best: float | None
) -> Chart:
    """Precision, recall and F1 of all detections against the least confidence; the threshold `best` is marked."""
    columns = {"precision": precision, "recall": recall, "F1": f1}
    draw = partial(_draw_confidence, confidences=confidences, columns=columns, best=best)
    return render(draw, _CURVE_HEIGHT, "Precision, recall and F1 against the confidence threshold")


def _draw_confidence(
    figure: Figure, palette: Palette, confidences: np.ndarray, columns: Mapping[str, np.ndarray], best: float | None
) -> None:
    axes = figure.add_subplot()
    for label, values in columns.items():
        axes.plot(confidences, values, label=label, linewidth=2.2 if label == "F1" else 1.4)
    if best is not None:
        axes.axvline(best, color=palette.ink, linestyle=":", linewidth=1.2, label=f"best threshold {best:g}")
    _finish(axes, "confidence threshold", "share")
    axes.legend(loc="best")


def class_f1(confidences: np.ndarray, names: Sequence[str], f1: np.ndarray, best: Sequence[float | None]) -> Chart:
    """F1 [classes, confidences] of each class against the least confidence; a dot at its best threshold."""
    draw = partial(_draw_class_f1, confidences=confidences, names=names, f1=f1, best=best)
    return render(draw, _CURVE_HEIGHT, "F1 of each class against the confidence threshold")


def _draw_class_f1(
    figure: Figure,
    palette: Palette,
    confidences: np.ndarray,
    names: Sequence[str],
    f1: np.ndarray,
    best: Sequence[float | None],
) -> None:
    axes = figure.add_subplot()
    _draw_class_lines(axes, palette, confidences, names, f1, f1.max(axis=1, initial=0))
    for row, threshold in zip(f1, best, strict=True):
        if threshold is not None and len(names) <= _MOST_CURVES:
            axes.plot(
                [threshold], [np.interp(threshold, confidences, row)], "o", color=palette.ink, markersize=4, zorder=5
            )
    _finish(axes, "confidence threshold", "F1")
    if len(names):
        axes.legend(loc="best")


def calibration(
    edges: np.ndarray, confidence: np.ndarray, precision: np.ndarray, count: np.ndarray, expected_error: float
) -> Chart:
    """The reliability diagram of bins between `edges`, with the number of detections in each bin below."""
    columns = {"confidence": confidence, "precision": precision, "count": count}
    draw = partial(_draw_calibration, edges=edges, columns=columns, expected_error=expected_error)
    return render(draw, _CURVE_HEIGHT + 60, "Share of right detections against their score")


def _draw_calibration(
    figure: Figure, palette: Palette, edges: np.ndarray, columns: Mapping[str, np.ndarray], expected_error: float
) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    middles, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges) * 0.92
    top.bar(middles, columns["precision"], width, label="right")
    top.plot([0, 1], [0, 1], "--", color=palette.faint, linewidth=1, label="as the scores say")
    top.plot(columns["confidence"], columns["precision"], "o", color=palette.ink, markersize=3.5, label="mean score")
    _finish(top, "", "share that is right")
    if not np.isnan(expected_error):
        top.set_title(f"expected calibration error {expected_error:.3f}")
    top.legend(loc="upper left")
    bottom.bar(middles, columns["count"], width, color=palette.faint)
    bottom.set(xlabel="score", ylabel="boxes")


def checkpoint_curve(steps: np.ndarray, values: Mapping[str, np.ndarray], best_step: int | None = None) -> Chart:
    """Metrics (by their labels) of several checkpoints against their step."""
    draw = partial(_draw_checkpoints, steps=steps, values=values, best_step=best_step)
    return render(draw, _CURVE_HEIGHT, "Metrics against the training step of the checkpoint")


def _draw_checkpoints(
    figure: Figure, palette: Palette, steps: np.ndarray, values: Mapping[str, np.ndarray], best_step: int | None
) -> None:
    axes = figure.add_subplot()
    for label, column in values.items():
        axes.plot(steps, column, marker="o" if len(steps) <= 60 else "", markersize=3.5, label=label)
    if best_step is not None:
        axes.axvline(best_step, color=palette.ink, linestyle=":", linewidth=1.2, label=f"best: step {best_step:,}")
    axes.set(xlabel="step", ylim=(0, None))
    axes.grid(alpha=0.6)
    axes.legend(loc="best")


def _draw_class_lines(
    axes: Axes, palette: Palette, xs: np.ndarray, names: Sequence[str], curves: np.ndarray, values: np.ndarray
) -> None:
    """The curves of the classes, each with its value in the legend; of many those with the lowest and highest value."""
    order = np.argsort(np.nan_to_num(values, nan=-1), kind="stable")
    named = order if len(order) <= _MOST_CURVES else np.concatenate([order[:3], order[-3:]])
    for row in np.setdiff1d(order, named):
        axes.plot(xs, curves[row], color=palette.faint, linewidth=0.6, alpha=0.5)
    for row in named[::-1]:
        axes.plot(xs, curves[row], label=_labeled(shortened(names[row]), values[row]))


def _labeled(name: str, value: float) -> str:
    return name if np.isnan(value) else f"{name} {value:.2f}"


def _finish(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.6)
