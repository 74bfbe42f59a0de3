"""The panel of per-class AP: curves of a few classes, or one row of colors for each of many."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREFIX = "AP/"

_MOST_CURVES = 6
_MOST_ROWS = 20
_LONGEST_NAME = 22  # letters


def class_names(evaluations: Sequence[Mapping[str, float]]) -> list[str]:
    """The classes that have an AP in any row."""
    names = dict.fromkeys(name for row in evaluations for name in row if name.startswith(PREFIX))
    return [
        name.removeprefix(PREFIX)
        for name in names
        if any(math.isfinite(row.get(name, math.nan)) for row in evaluations)
    ]


def draw(axes: Axes, evaluations: Sequence[Mapping[str, float]]) -> None:
    """Draws the panel; the x axis is the step."""
    names = class_names(evaluations)
    steps = np.array([row["step"] for row in evaluations])
    values = np.array([[row.get(PREFIX + name, math.nan) for row in evaluations] for name in names])
    if len(names) <= _MOST_CURVES:
        _draw_lines(axes, steps, names, values)
    else:
        _draw_rows(axes, steps, *_chosen(names, values))


def _draw_lines(axes: Axes, steps: np.ndarray, names: list[str], values: np.ndarray) -> None:
    for name, row in zip(names, values, strict=True):
        axes.plot(
            steps, row, marker="o" if len(steps) <= 60 else "", markersize=3, label=f"{_shortened(name)} {row[-1]:.2f}"
        )
    axes.set_ylim(0, 1.02)
    axes.set_title("AP of each class")
    axes.set_ylabel("AP, 0 to 1", fontsize=9)
    axes.legend(fontsize=8, loc="best")


def _chosen(names: list[str], values: np.ndarray) -> tuple[list[str], np.ndarray, str]:
    """The classes by their last AP, best first, of very many only both ends; and the title."""
    order = np.argsort(-np.nan_to_num(values[:, -1], nan=-1), kind="stable")
    title = f"AP of {len(names)} classes"
    if len(names) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        order = np.concatenate([order[:half], order[-half:]])
        title = f"AP of the {half} best and {half} worst of {len(names)} classes"
    return [names[i] for i in order], values[order], title


def _draw_rows(axes: Axes, steps: np.ndarray, names: list[str], values: np.ndarray, title: str) -> None:
    from matplotlib.patheffects import withStroke

    axes.pcolormesh(_edges(steps), np.arange(len(names) + 1), values, cmap="viridis", vmin=0, vmax=1)
    axes.invert_yaxis()
    axes.set_yticks([])
    # Inside, because names beside the panel would make it narrow.
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "color": "white", "fontsize": 7, "va": "center"}
    style["path_effects"] = [withStroke(linewidth=1.5, foreground="black")]
    for number, (name, row) in enumerate(zip(names, values, strict=True)):
        axes.text(0.01, number + 0.5, _shortened(name), **style)
        axes.text(0.99, number + 0.5, f"{row[-1]:.2f}", ha="right", **style)
    axes.set_title(title)
    axes.set_ylabel("the lighter, the better", fontsize=9)


def _edges(steps: np.ndarray) -> np.ndarray:
    """Where the cell of each step begins and ends: half way to its neighbors."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    middles = (steps[1:] + steps[:-1]) / 2
    return np.concatenate([[2 * steps[0] - middles[0]], middles, [2 * steps[-1] - middles[-1]]])


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
