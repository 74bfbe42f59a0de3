"""Where the time of a run goes: each second belongs to one phase."""

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

STARTING, COMPILING, INPUT, STEP = "starting", "compiling", "input", "step"
EVALUATION, SAVING, DRAWING, OTHER = "evaluation", "saving", "drawing", "other"

PHASES = (STARTING, COMPILING, INPUT, STEP, EVALUATION, SAVING, DRAWING, OTHER)
"""In the order in which they are shown; callbacks may have others."""

_TIME_LIMIT = "the time limit of "


class Times:
    """Seconds of a run by phase, from the object's creation on.

    Phases may be nested: a second counts for the innermost alone, so that a checkpoint that an evaluation saves is not
    part of the evaluation. What no phase covers is OTHER. Used on the training thread; others may read.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._began = self._switched = clock()
        self._open: list[str] = [OTHER]
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        """How often each phase was entered."""
        self.latest: dict[str, float] = {}
        """Seconds of each phase's last time, without the phases inside it."""

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What the block takes is `name`'s."""
        self._switch()
        self._open.append(name)
        before = self._seconds[name]
        try:
            yield
        finally:
            self._switch()
            self._open.pop()
            self.counts[name] += 1
            self.latest[name] = self._seconds[name] - before

    @property
    def current(self) -> str:
        """The innermost phase that is open; OTHER if there is none."""
        return self._open[-1]

    def move(self, seconds: float, source: str, target: str) -> None:
        """Counts `seconds` of one phase for another, such as what a step waited for its batch."""
        self._switch()
        seconds = min(seconds, self._seconds[source])
        self._seconds[source] -= seconds
        self._seconds[target] += seconds

    @property
    def total(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    @property
    def training(self) -> float:
        """Seconds of steps, with what they waited for data, without the first one, which compiles."""
        return sum(self.seconds.get(name, 0.0) for name in (STEP, INPUT))

    @property
    def seconds(self) -> dict[str, float]:
        """Phase to seconds so far, without those of 0, in the order of PHASES; they sum up to `total`."""
        seconds = self._seconds | {self.current: self._seconds[self.current] + self._clock() - self._switched}
        return {name: seconds[name] for name in dict.fromkeys((*PHASES, *seconds)) if seconds.get(name, 0) > 0}

    def _switch(self) -> None:
        now = self._clock()
        self._seconds[self.current] += now - self._switched
        self._switched = now


def time_limit_reason(text: str) -> str:
    """Why a run ended that had no more time; `text` is the limit in the user's words."""
    return f"{_TIME_LIMIT}{text} is reached"


def is_time_limit(reason: str) -> bool:
    """Whether a run ended for want of time, and so has more to do."""
    return reason.startswith(_TIME_LIMIT)
