"""Ends training in time to save a checkpoint, and if possible to evaluate it, before a time limit."""

import time
from collections.abc import Callable

from odtk.evaluation.run import Evaluation
from odtk.training.callbacks.callback import Callback, StopTraining
from odtk.training.experiment import Experiment
from odtk.training.times import time_limit_reason

_FIRST_SAVE_SECONDS = 5.0
"""Until a checkpoint was saved, it is not known how long that takes."""


class TimeLimit(Callback):
    """Stops when there is just enough time for another loop, a checkpoint and an evaluation, as far as was measured.

    An evaluation that takes longer than the ones before is cut off, so that there is always time for the checkpoint.
    """

    def __init__(self, seconds: float, text: str, started: float, clock: Callable[[], float] = time.monotonic):
        """`text`: the limit in the user's words; it counts from `started`, a time of `clock`."""
        self._end, self._reason, self._clock = started + seconds, time_limit_reason(text), clock

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment
        self._last: float | None = None
        self._loop = _FIRST_SAVE_SECONDS / 2  # the longest so far, with its checkpoint but without its evaluation
        self._evaluated = 0.0  # seconds since the last loop
        self._is_ending = False

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        now = self._clock()
        if self._last is not None:  # the first loop compiles
            self._loop = max(self._loop, now - self._last - self._evaluated)
        self._last, self._evaluated = now, 0.0
        evaluator = self._experiment.evaluator
        evaluation = (evaluator.seconds or 0.0) if evaluator else 0.0
        # Another loop, the checkpoint, the evaluation, and what comes after that.
        if now + 3 * self._loop + evaluation > self._end:
            self._is_ending = True
            raise StopTraining(self._reason)

    def during_evaluation(self, step: int, num_images: int) -> None:
        """See Callback."""
        # In the last evaluation, the checkpoint is saved already.
        if self._clock() + self._loop * (1 if self._is_ending else 2) > self._end:
            raise StopTraining(self._reason, evaluate=False)

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        assert self._experiment.evaluator is not None
        self._evaluated += self._experiment.evaluator.seconds or 0.0
