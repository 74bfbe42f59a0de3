"""Charts with a row for each class or kind of error: confusion, counts, average precision, changes, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from odtk.report.chart_style import WIDTH, Chart, Palette, render, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BACKGROUND = "background"
_MOST_ROWS = 20
_MOST_CELLS = 15  # rows and columns of a confusion matrix
_ROW_HEIGHT, _AROUND = 17, 70  # pixels
_CHARACTERS = 44  # of all labels below a matrix that have room side by side


def confusion_matrix(names: Sequence[str], counts: np.ndarray, normalized: bool = False) -> Chart:
    """Counts [C + 1, C + 1] by class of the object (rows) and of the detection (columns), the last is background.

    Cells are colored by their share of the row's objects, those of background by their share of the column's
    detections; errors in another color. With `normalized` they show the share in percent. Of many classes those that
    are confused most are shown, the others are added up.
    """
    names, counts = _most_confused(names, counts)
    draw = partial(_draw_confusion, names=names, counts=counts, normalized=normalized)
    return render(draw, WIDTH, "What objects of each class were taken for")


def _most_confused(names: Sequence[str], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and counts with at most _MOST_CELLS rows."""
    used = counts.sum(axis=0)[:-1] + counts.sum(axis=1)[:-1]
    among = counts[:-1, :-1] * (1 - np.eye(len(names), dtype=int))
    confused = among.sum(axis=0) + among.sum(axis=1)
    order = np.lexsort((-used, -confused))[: _MOST_CELLS - 2 if (used > 0).sum() > _MOST_CELLS - 1 else None]
    kept = np.sort(order[used[order] > 0])
    others = np.setdiff1d(np.flatnonzero(used), kept)
    groups = [[row] for row in kept.tolist()] + [others.tolist()] * bool(len(others)) + [[len(names)]]
    added = np.array([[counts[np.ix_(rows, columns)].sum() for columns in groups] for rows in groups])
    labels = [names[row] for row in kept] + [f"{len(others)} others"] * bool(len(others)) + [BACKGROUND]
    return labels, added


def _draw_confusion(
    figure: Figure, palette: Palette, names: Sequence[str], counts: np.ndarray, normalized: bool
) -> None:
    axes = figure.add_subplot()
    total = np.repeat(counts.sum(axis=1, keepdims=True), len(counts), axis=1)
    total[-1] = counts.sum(axis=0)  # a single wrong detection would be all of its row
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    axes.imshow(_cell_colors(palette, shares), aspect="auto")
    labels = [shortened(name, 16) for name in names]
    is_long = max(map(len, labels)) * len(labels) > _CHARACTERS
    axes.set_xticks(range(len(names)), labels, rotation=90 if is_long else 0)
    axes.set_yticks(range(len(names)), labels)
    axes.tick_params(length=0)
    axes.set(xlabel="detected as", ylabel="object")
    if normalized:
        figure.suptitle("% of the row; background: % of the column", fontsize=8)
    is_small = len(names) > 8
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = shares[row, column]
        text = f"{100 * share:.0f}" if normalized else _short_count(int(counts[row, column]))
        color = palette.paper if share > 0.6 else palette.ink
        axes.text(column, row, text, ha="center", va="center", fontsize=6 if is_small else 8, color=color)


def _cell_colors(palette: Palette, shares: np.ndarray) -> np.ndarray:
    """Colors [C, C, 3]: from the paper's to one color where the class is right, and to another elsewhere."""
    from matplotlib.colors import to_rgb

    paper, right, wrong = (np.array(to_rgb(color)) for color in (palette.paper, palette.series[0], palette.bad))
    is_right = np.eye(len(shares), dtype=bool)
    strength = np.where(is_right, shares, shares**0.6)  # few errors must be seen, too
    return paper + strength[..., None] * (np.where(is_right[..., None], right, wrong) - paper)


def _short_count(count: int) -> str:
    """With at most four characters."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if count >= 10 * unit:
            return f"{count // unit}{name}"
    return str(count)


def outcome_bars(names: Sequence[str], right: np.ndarray, wrong: np.ndarray, missed: np.ndarray) -> Chart:
    """Objects found and missed, and wrong detections, of each class; of many those with the most errors."""
    rows = _first_rows(-(wrong + missed))
    draw = partial(
        _draw_outcomes,
        names=[names[row] for row in rows],
        columns={"found": right[rows], "missed": missed[rows], "wrong": wrong[rows]},
    )
    return render(draw, _height(len(rows)), "Objects found and missed, and wrong detections, of each class")


def _draw_outcomes(figure: Figure, palette: Palette, names: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
    axes, left = figure.add_subplot(), np.zeros(len(names))
    colors = (palette.good, palette.missed, palette.bad)
    for (label, values), color in zip(columns.items(), colors, strict=True):
        axes.barh(range(len(names)), values, left=left, color=color, label=label)
        left = left + values
    _name_rows(axes, names)
    axes.set_xlabel("boxes")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)


def size_dots(names: Sequence[str], values: Mapping[str, np.ndarray]) -> Chart:
    """Average precision of each class, a dot for each of the sizes by which `values` [classes] are named."""
    first = next(iter(values.values()))
    rows = _first_rows(np.nan_to_num(first, nan=2))
    columns = {label: column[rows] for label, column in values.items()}
    draw = partial(_draw_sizes, names=[names[row] for row in rows], columns=columns)
    return render(draw, _height(len(rows)), "Average precision of each class by size of the objects")


def _draw_sizes(figure: Figure, palette: Palette, names: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
    axes = figure.add_subplot()
    for (label, values), marker in zip(columns.items(), "Dosv", strict=False):
        axes.plot(values, range(len(names)), marker, markersize=5, label=label, alpha=0.9)
    _name_rows(axes, names)
    axes.set(xlim=(-0.02, 1.02), xlabel="average precision")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)


def error_costs(kinds: Sequence[str], costs: np.ndarray) -> Chart:
    """How much mAP each kind of error costs, 0 to 1."""
    draw = partial(_draw_costs, kinds=kinds, costs=costs)
    return render(draw, _height(len(kinds)), "How much mAP each kind of error costs")


def _draw_costs(figure: Figure, palette: Palette, kinds: Sequence[str], costs: np.ndarray) -> None:
    axes = figure.add_subplot()
    bars = axes.barh(range(len(kinds)), 100 * np.asarray(costs), color=palette.bad)
    axes.bar_label(bars, fmt=" %.1f")
    axes.margins(x=0.12)
    _name_rows(axes, kinds)
    axes.set_xlabel("points of mAP, of 100")


def class_changes(names: Sequence[str], before: np.ndarray, after: np.ndarray) -> Chart:
    """How AP of each class changed, from 0 to 1 each; of many classes those that changed most."""
    change = np.nan_to_num(np.asarray(after) - np.asarray(before))
    rows = _first_rows(-np.abs(change))
    rows = rows[np.argsort(-change[rows], kind="stable")]
    draw = partial(_draw_changes, names=[names[row] for row in rows], change=100 * change[rows])
    return render(draw, _height(len(rows)), "How the average precision of each class changed")


def _draw_changes(figure: Figure, palette: Palette, names: Sequence[str], change: np.ndarray) -> None:
    axes = figure.add_subplot()
    colors = [palette.good if value >= 0 else palette.bad for value in change]
    bars = axes.barh(range(len(names)), change, color=colors)
    axes.bar_label(bars, fmt=" %+.1f ")
    axes.axvline(0, color=palette.faint, linewidth=0.8)
    axes.margins(x=0.25)
    _name_rows(axes, names)
    axes.set_xlabel("change of AP, in points of 100")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.6)


def _first_rows(values: np.ndarray) -> np.ndarray:
    """Indices of the rows with the lowest values, as many as a chart has."""
    return np.argsort(values, kind="stable")[:_MOST_ROWS]


def _height(rows: int) -> int:
    return _AROUND + _ROW_HEIGHT * max(rows, 3)
