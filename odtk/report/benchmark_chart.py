"""Latency and throughput of models as bars.

Drawn with matplotlib's Figure alone: pyplot's global state would disturb a notebook's own figures.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odtk.report.chart_style import LIGHT, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR, _HEAD, _LEAST_WIDTH, _HEIGHT = 0.42, 1.6, 6.0, 4.0  # inches
_DPI = 120
_GROUP = 0.8  # of the distance between two cases, for the bars of all models
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Bar:
    """A model in one case."""

    model: str
    case: str
    milliseconds: float
    slow_milliseconds: float
    """The end of the line on the bar: a high percentile."""
    images_per_second: float


def draw_benchmark(bars: Sequence[Bar], title: str) -> bytes:
    """A PNG: for each case the models beside each other, latencies on the left, images per second on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(_LEAST_WIDTH, _HEAD + _BAR * len(bars))
    figure = Figure((2 * width, _HEIGHT), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, parse_math=False)
    latency, speed = figure.subplots(1, 2)
    _draw(latency, bars, lambda bar: bar.milliseconds, lambda bar: bar.slow_milliseconds)
    latency.set_title("Latency: median, and the line to the 95th percentile", fontsize=10)
    latency.set_ylabel("ms of a batch")
    _draw(speed, bars, lambda bar: bar.images_per_second)
    speed.set_title("Throughput", fontsize=10)
    speed.set_ylabel("images/s")
    latency.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(
    axes: Axes, bars: Sequence[Bar], height: Callable[[Bar], float], top: Callable[[Bar], float] | None = None
) -> None:
    cases, models = (list(dict.fromkeys(names)) for names in ([b.case for b in bars], [b.model for b in bars]))
    width = _GROUP / len(models)
    for number, model in enumerate(models):
        own = [bar for bar in bars if bar.model == model]
        places = np.array([cases.index(bar.case) for bar in own]) + (number - (len(models) - 1) / 2) * width
        heights = [height(bar) for bar in own]
        ends = None if top is None else [[0] * len(own), [max(0.0, top(bar) - height(bar)) for bar in own]]
        color = LIGHT.series[number % len(LIGHT.series)]
        label = shortened(model, _LONGEST_NAME)
        drawn = axes.bar(places, heights, 0.92 * width, yerr=ends, color=color, ecolor=LIGHT.ink, capsize=2)
        drawn.set_label(label)
        axes.bar_label(drawn, [_short(each) for each in heights], fontsize=7, padding=1)
    axes.set_xticks(range(len(cases)), [case.replace(", ", "\n") for case in cases], fontsize=8)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


def _short(number: float) -> str:
    """Three digits: 0.0523, 12.3, 1,230."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"
