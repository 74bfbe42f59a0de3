"""The interface between a training run and its loggers, and its connection to Orbit.

To add a logger, add a file to this folder and an entry to the list in `odtk.tools.train`.
"""

import abc
from collections.abc import Sequence

import orbit
import tensorflow as tf


class Logger(abc.ABC):
    """Writes scalars. All loggers are called on the training thread."""

    @abc.abstractmethod
    def write(self, step: int, scalars: dict[str, float]) -> None:
        """Called at the first step of a run and at each multiple of log_every, after the callbacks of that step.

        `scalars` are under TFOD's tags: losses, learning_rate, steps_per_sec. They must be in their file when this
        returns, so that a killed run loses none.
        """


class Summaries(orbit.utils.SummaryManagerInterface):
    """Passes Orbit's summaries to `loggers`, at multiples of `every` steps and at the first step of a run."""

    def __init__(self, loggers: Sequence[Logger], global_step: tf.Variable, every: int):
        self._loggers, self._step, self._every, self._wrote = loggers, global_step, every, False

    def write_summaries(self, summary_dict: dict) -> None:
        """Orbit's dictionary, under TFOD's tags."""
        step = int(self._step.numpy())
        if self._wrote and step % self._every:
            return
        self._wrote = True
        renamed = {"steps_per_second": "steps_per_sec"}
        scalars = {renamed.get(name, name): float(value) for name, value in summary_dict.items()}
        for logger in self._loggers:
            logger.write(step, scalars)

    def flush(self) -> None:
        """Does nothing: loggers flush when they write."""

    def summary_writer(self, relative_path: str = "") -> tf.summary.SummaryWriter:
        """For summaries from inside a step, which detectors do not write."""
        return tf.summary.create_noop_writer()
