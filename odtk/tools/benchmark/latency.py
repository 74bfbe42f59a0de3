"""Percentiles of latencies, and the ratio of two models that took turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RUNS_FOR = {50: 1, 95: 20, 99: 100}
"""How many runs a percentile needs at least: with fewer it would only be another word for the slowest run."""
_ROUNDS_FOR_INTERVAL = 5
_RESAMPLED = 4000
_INSIDE = 0.95


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the runs of one case, from placed images to detections in memory; None: too few runs to tell."""

    runs: int
    p50: float
    p95: float | None
    p99: float | None
    mean: float
    least: float
    most: float


@dataclass(frozen=True)
class Ratio:
    """How many times as long a model takes as another one; each round of turns gives one ratio of median latencies."""

    ratio: float
    """The median of all rounds."""
    interval: tuple[float, float] | None
    """The 95 % interval of that median, by bootstrap over the rounds; None with fewer than 5 rounds."""
    quartiles: tuple[float, float]
    """Between which half of the rounds lie."""
    by_round: tuple[float, ...]

    @property
    def differs(self) -> bool | None:
        """Whether the interval leaves out 1; None without an interval."""
        return None if self.interval is None else not self.interval[0] <= 1 <= self.interval[1]


def latency_of(seconds: Sequence[float]) -> Latency:
    """The latency of at least one run."""
    milliseconds = 1000 * np.asarray(seconds, float)
    p50, p95, p99 = (
        float(np.percentile(milliseconds, percent)) if len(milliseconds) >= least else None
        for percent, least in _RUNS_FOR.items()
    )
    assert p50 is not None
    mean, least, most = (float(reduce(milliseconds)) for reduce in (np.mean, np.min, np.max))
    return Latency(len(milliseconds), p50, p95, p99, mean, least, most)


def ratio_of(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> Ratio:
    """Compares the seconds of runs by round with those of `base`, which ran in the same rounds.

    A machine that slows down or is shared changes both turns of a round alike, which the ratio of the two does not see.
    The interval is Efron's percentile bootstrap of the median (An Introduction to the Bootstrap, 1993, chapter 13).
    """
    ratios = np.array([np.median(ours) / np.median(theirs) for ours, theirs in zip(rounds, base, strict=True)])
    first, third = np.percentile(ratios, [25, 75])
    return Ratio(float(np.median(ratios)), _interval(ratios), (float(first), float(third)), tuple(ratios.tolist()))


def _interval(ratios: np.ndarray) -> tuple[float, float] | None:
    if len(ratios) < _ROUNDS_FOR_INTERVAL:
        return None
    chosen = np.random.default_rng(0).integers(0, len(ratios), (_RESAMPLED, len(ratios)))
    medians = np.median(ratios[chosen], axis=1)
    low, high = np.percentile(medians, [50 * (1 - _INSIDE), 50 * (1 + _INSIDE)])
    return float(low), float(high)
