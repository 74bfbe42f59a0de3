"""Ends training when its caller asks for it, as the command line does after a signal."""

import time
from collections.abc import Callable

from odtk.training.callbacks.callback import Callback, StopTraining
from odtk.training.experiment import Experiment

SECONDS_TO_EVALUATE = 10.0
"""Who sends SIGTERM kills after 30 seconds (Kubernetes, Slurm): saving comes first, and a longer evaluation is left."""


class StopWhenAsked(Callback):
    """Stops after the loop in which a function gives a reason, with a checkpoint, and an evaluation if that is quick.

    An evaluation that is running is ended without a result.
    """

    def __init__(self, should_stop: Callable[[], str | None], clock: Callable[[], float] = time.monotonic):
        """`should_stop`: None, or the reason for the user."""
        self._should_stop, self._clock = should_stop, clock
        self._asked_at: float | None = None

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment
        # Tells the caller that it may ask from now on. The answer is the next loop's.
        self._should_stop()

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        if reason := self._should_stop():
            self._asked_at = self._clock()
            evaluator = self._experiment.evaluator
            seconds = evaluator.seconds if evaluator else None
            raise StopTraining(reason, evaluate=seconds is not None and seconds < SECONDS_TO_EVALUATE)

    def during_evaluation(self, step: int, num_images: int) -> None:
        """See Callback."""
        if self._asked_at is not None:  # then this one was allowed
            if self._clock() > self._asked_at + 2 * SECONDS_TO_EVALUATE:
                raise StopTraining("there is no time left for the evaluation", evaluate=False)
        elif reason := self._should_stop():
            raise StopTraining(reason, evaluate=False)
