"""When training is interrupted by an evaluation."""

import contextlib
import time
from collections.abc import Callable, Iterator

MAX_SHARE = 0.2
"""Of the time: what evaluations cost at most if the interval is chosen automatically."""
LEAST_EVALUATIONS = 10
"""In a run, if they do not cost more than that."""


class EvaluationSchedule:
    """Evaluations at multiples of `every` steps, and after the last step."""

    def __init__(
        self,
        every: int,
        num_steps: int,
        max_share: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`every` 0: never. `max_share`: of all seconds, what evaluations may take; the last one is always made."""
        self._every, self._num_steps, self._max_share, self._clock = every, num_steps, max_share, clock
        self._began: float | None = None
        self._spent = self._latest = 0.0

    @property
    def is_on(self) -> bool:
        """Whether anything is evaluated at all."""
        return bool(self._every)

    @property
    def marks(self) -> list[int]:
        """Loops must end at multiples of these."""
        return [self._every] if self._every else []

    def start(self) -> None:
        """Called when training begins; before that no time counts."""
        self._began = self._clock()

    def is_due(self, step: int) -> bool:
        """Whether to evaluate after `step`, the end of a loop."""
        if not self._every or step <= 0:
            return False
        return step >= self._num_steps or (step % self._every == 0 and self._is_affordable())

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Around an evaluation: notes what it costs."""
        began = self._clock()
        try:
            yield
        finally:
            self._latest = self._clock() - began
            self._spent += self._latest

    def seconds_left(self, step: int, training: float) -> float:
        """About what the evaluations after `step` will take, if its steps take `training` seconds."""
        if not self._every or step >= self._num_steps:
            return 0.0
        seconds = self._latest * (-(-self._num_steps // self._every) - step // self._every)
        if self._max_share is None:
            return seconds
        return min(seconds, max(self._latest, training * self._max_share / (1 - self._max_share)))

    def _is_affordable(self) -> bool:
        """Whether one more, if it takes as long as the latest, stays within the share; the first one does."""
        if self._max_share is None or self._began is None or not self._spent:
            return True
        total = self._clock() - self._began + self._latest
        return self._spent + self._latest <= self._max_share * total


def automatic_schedule(
    checkpoint_every: int, num_steps: int, clock: Callable[[], float] = time.monotonic
) -> EvaluationSchedule:
    """At each checkpoint, at least LEAST_EVALUATIONS times in a run, and never for more than MAX_SHARE of the time."""
    return EvaluationSchedule(_automatic_interval(checkpoint_every, num_steps), num_steps, MAX_SHARE, clock)


def _automatic_interval(checkpoint_every: int, num_steps: int) -> int:
    """The checkpoints' interval, or the largest part of it that is short enough."""
    longest = max(num_steps // LEAST_EVALUATIONS, 1)
    parts = -(-checkpoint_every // longest)
    # Parts that end at each checkpoint, where there are some of nearly that length.
    even = next((count for count in range(parts, 2 * parts) if checkpoint_every % count == 0), parts)
    return max(checkpoint_every // even, 1)
