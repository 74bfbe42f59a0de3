"""The number of steps between returns to Python."""

from collections.abc import Callable

SECONDS_PER_LOOP = 1.0


class Pace:
    """Lengths of loops: about SECONDS_PER_LOOP of steps, never past a multiple of `marks`.

    On a GPU returning to Python waits for the device, so it should not happen at every step; on a CPU a step can take
    seconds.
    """

    def __init__(self, marks: list[int], clock: Callable[[], float]):
        """`clock`: seconds spent in steps so far, without compiling the first one, evaluating and saving."""
        self.marks, self._clock = marks, clock
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
            seconds = max((now - self._last[1]) / (step - self._last[0]), 1e-6)
            loop = max(1, int(SECONDS_PER_LOOP / seconds))
        elif self._last is None:
            self._first = step
        self._last = (step, now)
        stops = [stop - step for stop in self._stops if stop > step]
        return min([loop, *stops] + [mark - step % mark for mark in self.marks])
