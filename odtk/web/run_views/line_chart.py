"""A line chart as numbers of pixels: axes, ticks and lines, which `chart.html` draws as an inline SVG.

Colors are classes of the style sheet (`line-0` ...), so that a chart is readable in light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtk.web.run_views.thinning import is_worth_smoothing, smoothed, thinned

if TYPE_CHECKING:
    import numpy as np

WIDTH, HEIGHT = 368, 232  # three of them beside each other on a wide page, one on a phone
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 36
_LOG_FROM = 20  # greatest over small values of a curve that is drawn on a logarithmic axis, as in results.png
_MOST_MARKERS = 60
NUM_COLORS = 6


@dataclass(frozen=True)
class Curve:
    """What a chart is made of: finite values by step. `color` counts from 0; `is_measured` draws its points."""

    label: str
    steps: np.ndarray
    values: np.ndarray
    color: int = 0
    is_measured: bool = False
    is_noisy: bool = False
    bad: Sequence[float] = ()
    """Steps whose values were NaN or infinite."""
    best: tuple[float, float] | None = None
    """Step and value of the one to mark with a star."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, at so many pixels."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve in pixels: the points of an SVG polyline, which goes past values that are not finite."""

    label: str
    color: int
    points: str
    faint: str = ""
    """The values as they are, where `points` is smoothed."""
    markers: Sequence[tuple[float, float, str]] = ()
    """Place of each measured point, and its value in words."""
    crosses: Sequence[float] = ()
    star: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """All that a template needs; `words` says what is shown."""

    key: str
    title: str
    words: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line]
    width: int = WIDTH
    height: int = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM
    x_span: tuple[float, float] = (0.0, 1.0)
    """The steps at `left` and `right`."""
    y_span: tuple[float, float] = (0.0, 1.0)
    """The values at `bottom` and `top`."""
    is_logarithmic: bool = False

    @property
    def has_legend(self) -> bool:
        """Whether a reader needs to be told which line is which."""
        return len(self.lines) > 1 or any(line.faint for line in self.lines)


@dataclass(frozen=True)
class Axis:
    """From numbers to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value, to a tenth; values outside are at the edge."""
        low, high, value = (math.log10(x) if self.is_logarithmic else x for x in (self.low, self.high, value))
        share = (value - low) / (high - low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


def draw(key: str, title: str, unit: str, curves: Sequence[Curve], steps: tuple[float, float], *, top=None, zero=False):
    """A chart of some curves over `steps`, the first and the last of all charts beside it; None without a value.

    `top` is the greatest value that the axis shows, `zero` has it begin at 0.
    """
    import numpy as np

    known = [curve for curve in curves if len(curve.steps) or curve.bad]
    values = np.concatenate([curve.values for curve in known]) if known else np.zeros(0)
    if not len(values):
        return None
    y_axis = _value_axis(values, top, zero)
    margin = max(1.0, 0.01 * (steps[1] - steps[0]))
    x_axis = Axis(steps[0] - margin, steps[1] + margin, _LEFT, WIDTH - _RIGHT)
    return Chart(
        key, title, _in_words(title, unit, known),
        [Tick(x_axis.at(x), short(x)) for x in whole_ticks(*steps)],
        [Tick(y_axis.at(y), text) for y, text in _value_ticks(y_axis)],
        [_line(curve, x_axis, y_axis) for curve in known],
        x_span=(x_axis.low, x_axis.high), y_span=(y_axis.low, y_axis.high), is_logarithmic=y_axis.is_logarithmic,
    )  # fmt: skip


def _value_axis(values: np.ndarray, top: float | None, zero: bool) -> Axis:
    import numpy as np

    low, high = float(values.min()), float(values.max())
    # Not the smallest value: a cosine schedule ends near 0, and its shape is lost on a logarithmic axis.
    if top is None and not zero and low > 0 and high / float(np.percentile(values, 20)) >= _LOG_FROM:
        return Axis(low / 1.1, high * 1.1, HEIGHT - _BOTTOM, _TOP, True)
    if top is not None:
        high = top
    if zero:
        low = min(low, 0.0)
    if high <= low:
        pad = abs(high) * 0.1 or 1.0
        low, high = (low if zero else low - pad), high + pad
    pad = 0.05 * (high - low)
    return Axis(low if zero else low - pad, high if top is not None else high + pad, HEIGHT - _BOTTOM, _TOP)


def _value_ticks(axis: Axis) -> list[tuple[float, str]]:
    if not axis.is_logarithmic:
        found = ticks(axis.low, axis.high, 5)
        step = found[1] - found[0] if len(found) > 1 else abs(axis.high) or 1.0
        return [(value, with_step(value, step)) for value in found]
    low, high = math.log10(axis.low), math.log10(axis.high)
    powers = range(math.floor(low), math.ceil(high) + 1)
    parts = (1,) if high - low > 3 else (1, 3) if high - low > 1.5 else (1, 2, 5)
    return [(part * 10.0**power, short(part * 10.0**power)) for power in powers for part in parts
            if axis.low <= part * 10.0**power <= axis.high]  # fmt: skip


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) between two numbers, rising."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough * 0.75)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def whole_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Likewise, of whole numbers."""
    return sorted({float(round(value)) for value in ticks(low, high, count)})


def with_step(value: float, step: float) -> str:
    """A tick's number with as many decimals as its distance to the next one needs."""
    if abs(value) < step * 1e-6:
        return "0"
    if abs(value) >= 1e5 or step < 1e-4:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}"


def short(value: float) -> str:
    """`25,000`, `0.001`, `3e-05`; thousands of a large number as k."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    if abs(value) >= 1e5:
        return f"{value / 1e3:.4g}k"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _line(curve: Curve, x_axis: Axis, y_axis: Axis) -> Line:
    def points(steps: np.ndarray, values: np.ndarray) -> str:
        pairs = zip(steps.tolist(), values.tolist(), strict=True)
        return " ".join(f"{x_axis.at(x):g},{y_axis.at(y):g}" for x, y in pairs)

    plain = points(*thinned(curve.steps, curve.values))
    is_smooth = curve.is_noisy and is_worth_smoothing(len(curve.steps))
    markers = []
    if len(curve.steps) < 3 or (curve.is_measured and len(curve.steps) <= _MOST_MARKERS):
        markers = [(x_axis.at(x), y_axis.at(y), f"{curve.label}: {y:.4g} at step {x:,.0f}")
                   for x, y in zip(curve.steps.tolist(), curve.values.tolist(), strict=True)]  # fmt: skip
    return Line(
        curve.label,
        curve.color % NUM_COLORS,
        points(*smoothed(curve.steps, curve.values)) if is_smooth else plain,
        faint=plain if is_smooth else "",
        markers=markers,
        crosses=sorted({x_axis.at(step) for step in curve.bad}),
        star=(x_axis.at(curve.best[0]), y_axis.at(curve.best[1])) if curve.best else None,
    )


def _in_words(title: str, unit: str, curves: Sequence[Curve]) -> str:
    """What someone who cannot see the chart is told; the table of last values has the rest."""
    parts = [
        f"{curve.label} {curve.values[0]:.4g} at step {curve.steps[0]:,.0f}, {curve.values[-1]:.4g} at step "
        f"{curve.steps[-1]:,.0f}"
        for curve in curves
        if len(curve.steps)
    ]
    parts += [f"{len(curve.bad)} values of {curve.label} were NaN or infinite" for curve in curves if curve.bad]
    return f"{title} ({unit}) over steps: {'; '.join(parts)}."
