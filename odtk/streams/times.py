"""How long each stage of a stream takes."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_REMEMBERED = 10_000  # pictures, the last ones: a camera may run for days


@dataclass(frozen=True)
class StageTime:
    """Seconds per picture: the mean of all, median and 95th percentile of the last ten thousand."""

    stage: str
    mean: float
    p50: float
    p95: float


class Times:
    """Collects the seconds of stages, from any thread."""

    def __init__(self, stages: tuple[str, ...]):
        """`stages`: in the order of the table."""
        self._recent: dict[str, deque[float]] = {stage: deque(maxlen=_REMEMBERED) for stage in stages}
        self._sums = dict.fromkeys(stages, 0.0)
        self._counts = dict.fromkeys(stages, 0)
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float, pictures: int = 1) -> None:
        """`seconds` for `pictures` together."""
        with self._lock:
            self._recent[stage].extend([seconds / pictures] * pictures)
            self._sums[stage] += seconds
            self._counts[stage] += pictures

    @contextlib.contextmanager
    def measured(self, stage: str, pictures: int = 1, spent: float = 0.0) -> Iterator[None]:
        """Adds the time of the block, if it ends without an error, and what was `spent` before."""
        start = time.perf_counter()
        yield
        self.add(stage, spent + time.perf_counter() - start, pictures)

    def table(self) -> list[StageTime]:
        """The stages that had something to do."""
        return [
            StageTime(stage, self._sums[stage] / count, *map(float, np.percentile(self._recent[stage], (50, 95))))
            for stage, count in self._counts.items()
            if count
        ]
