"""Fewer points for long curves, such that the picture is the same; and smooth lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_BUCKETS = 240
"""A chart is some 300 pixels wide, and each bucket keeps two points."""

_SMOOTHED = 40  # an average reaches over this fraction of the points, as in results.png


def thinned(steps: np.ndarray, values: np.ndarray, buckets: int = MOST_BUCKETS) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of each of so many equal stretches of steps; all points if they are few.

    Peaks stay, however short they are, and the first and the last point do, too.
    """
    import numpy as np

    if len(steps) <= 2 * buckets + 2:
        return steps, values
    starts = _starts(steps, buckets)
    ends = np.append(starts[1:], len(steps))
    kept = {0, len(steps) - 1}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        part = values[start:end]
        kept |= {start + int(part.argmin()), start + int(part.argmax())}
    chosen = np.array(sorted(kept))
    return steps[chosen], values[chosen]


def smoothed(steps: np.ndarray, values: np.ndarray, buckets: int = MOST_BUCKETS) -> tuple[np.ndarray, np.ndarray]:
    """An exponential moving average over about a fortieth of the points, which begins at the first values' own average.

    Of long curves it is that of the means of equal stretches of steps.
    """
    import numpy as np

    if len(steps) > 4 * buckets:
        starts = _starts(steps, buckets)
        counts = np.diff(np.append(starts, len(steps)))
        values = np.add.reduceat(values, starts) / counts
        steps = steps[np.append(starts[1:], len(steps)) - 1]
    keep, average, weight = 1 - 2 / (max(len(values) // _SMOOTHED, 1) + 1), 0.0, 0.0
    result = np.empty(len(values))
    for i, value in enumerate(values.tolist()):
        average, weight = keep * average + (1 - keep) * value, keep * weight + (1 - keep)
        result[i] = average / weight
    return thinned(steps, result, buckets)


def is_worth_smoothing(count: int) -> bool:
    """Whether a smooth line would differ from the values themselves."""
    return count // _SMOOTHED > 1


def _starts(steps: np.ndarray, buckets: int) -> np.ndarray:
    """Where each stretch that has points begins."""
    import numpy as np

    edges = np.linspace(steps[0], steps[-1], buckets, endpoint=False)
    return np.unique(np.searchsorted(steps, edges))
