"""The state that training goes back to: the last checkpoint or, as long as there is none, the state at the start."""

import os

import numpy as np
import tensorflow as tf

from odtk.training.experiment import Experiment
from odtk.training.strategy import first_copies


class LastGoodState:
    """Remembers how training started, if no checkpoint does.

    That is the case in a new run, and in one whose optimizer has variables that the resumed checkpoint lacks.
    """

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self._start: list[tuple[tf.Variable, np.ndarray]] = []
        if not experiment.workers.is_chief:
            return  # gets the chief's
        if experiment.resumed_from is None or experiment.new_slots:
            # The replicas' copies are the same now; to take the mean of what is each one's own takes all workers.
            first = first_copies(self._saved())
            self._start = [(each, _compact(copy.numpy())) for each, copy in zip(self._saved(), first, strict=True)]

    def forget_start(self) -> None:
        """To be called after each loop: frees the memory once a checkpoint is saved."""
        if self._start and self._checkpoint() is not None:
            self._start = []

    def restore(self) -> str:
        """Sets weights, optimizer and step back, on all workers; returns what they are now, for the user."""
        state = self._restore() if self._experiment.workers.is_chief else "the chief's weights"
        self._experiment.workers.spread(self._saved())
        return state

    def _restore(self) -> str:
        experiment = self._experiment
        checkpoint = self._checkpoint()
        if checkpoint is not None:
            experiment.controller.restore_checkpoint(checkpoint)
            return f"the weights of {os.path.basename(checkpoint)}"
        with experiment.controller.strategy.scope():
            for variable, value in self._start:
                variable.assign(value)
        return "the weights that training started with"

    def _saved(self) -> list[tf.Variable]:
        return self._experiment.trainer.saved_variables()

    def _checkpoint(self) -> str | None:
        """The last one; None if it is the resumed one and the start is not the same."""
        latest = self._experiment.checkpoints.latest_checkpoint
        return None if self._start and latest == self._experiment.resumed_from else latest


def _compact(value: np.ndarray) -> np.ndarray:
    """Without the memory of zeros, which most of an optimizer's variables are at the start."""
    return value if value.any() else np.broadcast_to(np.zeros((), value.dtype), value.shape)
