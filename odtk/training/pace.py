"""The number of steps between returns to Python."""

import time

SECONDS_PER_LOOP = 1.0


class Pace:
    """Lengths of loops: about SECONDS_PER_LOOP of steps, never past a multiple of `marks`.

    On a GPU returning to Python waits for the device, so it should not happen at every step; on a CPU a step can take
    seconds.
    """

    def __init__(self, marks: list[int]):
        self.marks = marks
        self._first = 0
        self._last: tuple[int, float] | None = None

    def __call__(self, step) -> int:
        """Number of steps for the loop that starts at `step`."""
        step, now = int(step), time.monotonic()
        loop = 1
        # The first loop includes tracing, so speed is measured from the second one on.
        if self._last is not None and step > self._last[0] > self._first:
            seconds = (now - self._last[1]) / (step - self._last[0])
            loop = max(1, int(SECONDS_PER_LOOP / seconds))
        elif self._last is None:
            self._first = step
        self._last = (step, now)
        return min([loop] + [mark - step % mark for mark in self.marks])
