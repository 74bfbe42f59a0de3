"""The number of steps between returns to Python."""

from collections.abc import Callable, Sequence

from odtk.training.logged_steps import MOST_ROWS

SECONDS_PER_LOOP = 1.0

_GROWTH = 10
"""A speed that was measured in few steps may be wrong."""


class Pace:
    """Lengths of loops: about SECONDS_PER_LOOP of steps, never past a multiple of `marks`.

    On a GPU returning to Python waits for the device, so it should not happen at every step; on a CPU a step can take
    seconds.
    """

    ends_at_logs = True
    """Whether each step that is logged is a loop's last; otherwise a loop passes up to MOST_ROWS of them."""

    def __init__(self, marks: Sequence[int], log_every: int, clock: Callable[[], float]):
        """`clock`: seconds spent in steps so far, without compiling the first one, evaluating and saving."""
        self._marks, self._log_every, self._clock = marks, log_every, clock
        self._stops: tuple[int, ...] = ()
        self._first = 0
        self._last: tuple[int, float] | None = None

    def stop_at(self, *steps: int) -> None:
        """Loops end at these steps, too."""
        self._stops += steps

    def __call__(self, step) -> int:
        """Number of steps for the loop that starts at `step`."""
        step, now = int(step), self._clock()
        loop = 1
        # The first loop includes tracing, so speed is measured from the second one on.
        if self._last is not None and step > self._last[0] > self._first:
            steps = step - self._last[0]
            seconds = max((now - self._last[1]) / steps, 1e-6)
            loop = min(max(1, int(SECONDS_PER_LOOP / seconds)), _GROWTH * steps)
        elif self._last is None:
            self._first = step
        self._last = (step, now)
        stops = [stop - step for stop in self._stops if stop > step]
        return min([loop, self._steps_to_log(step), *stops] + [mark - step % mark for mark in self._marks])

    def _steps_to_log(self, step: int) -> int:
        to_next = self._log_every - step % self._log_every
        return to_next if self.ends_at_logs else to_next + (MOST_ROWS - 1) * self._log_every
