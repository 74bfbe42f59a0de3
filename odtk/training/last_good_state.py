"""The state that training goes back to: the last checkpoint or, as long as there is none, the state at the start."""

import os

import numpy as np
import tensorflow as tf

from odtk.training.experiment import Experiment
from odtk.training.optimizer import unwrap


class LastGoodState:
    """Remembers how training started, if no checkpoint does.

    That is the case in a new run, and in one whose optimizer has variables that the resumed checkpoint lacks.
    """

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self._start: list[tuple[tf.Variable, np.ndarray]] = []
        if experiment.resumed_from is None or experiment.new_slots:
            self._start = [(variable, _compact(variable.numpy())) for variable in _variables(experiment)]

    def forget_start(self) -> None:
        """To be called after each loop: frees the memory once a checkpoint is saved."""
        if self._start and self._checkpoint() is not None:
            self._start = []

    def restore(self) -> str:
        """Sets weights, optimizer and step back; returns what they are now, for the user."""
        experiment = self._experiment
        checkpoint = self._checkpoint()
        if checkpoint is not None:
            experiment.controller.restore_checkpoint(checkpoint)
            return f"the weights of {os.path.basename(checkpoint)}"
        with experiment.controller.strategy.scope():
            for variable, value in self._start:
                variable.assign(value)
        return "the weights that training started with"

    def _checkpoint(self) -> str | None:
        """The last one; None if it is the resumed one and the start is not the same."""
        latest = self._experiment.checkpoints.latest_checkpoint
        return None if self._start and latest == self._experiment.resumed_from else latest


def _variables(experiment: Experiment) -> list[tf.Variable]:
    """All that a checkpoint holds."""
    descendants = tf.train.TrackableView(experiment.trainer.checkpoint).descendants()
    found = [each for each in descendants if isinstance(each, tf.Variable)]
    # An optimizer's slots are no descendants: TensorFlow saves them along with the variables that they belong to.
    found += [weight for optimizer in unwrap(experiment.trainer.optimizer) for weight in optimizer.weights]
    return list({id(variable): variable for variable in found}.values())


def _compact(value: np.ndarray) -> np.ndarray:
    """Without the memory of zeros, which most of an optimizer's variables are at the start."""
    return value if value.any() else np.broadcast_to(np.zeros((), value.dtype), value.shape)
