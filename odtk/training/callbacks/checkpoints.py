"""When checkpoints are saved: at an interval, and when a run ends early."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import tensorflow as tf

from odtk.checkpoints.manager import CheckpointManager
from odtk.errors import DataError
from odtk.retrying import Writes, at_once
from odtk.training.callbacks.callback import Callback, GoBack
from odtk.training.experiment import Experiment
from odtk.training.times import SAVING, Times

# Weights are good until then.
_ENDS_HALF_WAY = (KeyboardInterrupt, DataError, tf.errors.OutOfRangeError)


class StepCheckpoints(CheckpointManager):
    """Saves at multiples of the interval; TensorFlow's own also saves after the first step of every run.

    `write` calls each save (odtk.retrying), `times` measures it.
    """

    trained_weights: Callable[[], AbstractContextManager] = contextlib.nullcontext
    """In its block the model has the weights to be saved, also while an evaluation measures others (averages)."""

    check: Callable[[], None] = staticmethod(lambda: None)
    """Called before a checkpoint is written; its exception leaves it unwritten."""

    settle: Callable[[], None] = staticmethod(lambda: None)
    """Called then: lets training go on with exactly what the checkpoint holds, so that a resumed run is no other."""

    def __init__(self, *args, write: Writes = at_once, times: Times | None = None, **options):
        super().__init__(*args, **options)
        self._write, self._times = write, times or Times()

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """The saved path; None if this step is saved already, or with `check_interval` if it is not a multiple."""
        if check_interval and int(self._step_counter.numpy()) % self.checkpoint_interval:
            return None
        with self._times.phase(SAVING):
            return self._write(lambda: self._save(checkpoint_number, options))

    def _save(self, number, options) -> str | None:
        with self.trained_weights():
            self.check()
            self.settle()
            return super().save(number, check_interval=False, options=options)


class SaveAtInterruption(Callback):
    """Saves a checkpoint if an interruption or the data end a run, from which the next run continues."""

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._log = log

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        if not isinstance(error, _ENDS_HALF_WAY):
            return
        if not self._experiment.workers.are_agreed_on(error):
            self._log("No checkpoint was saved: that takes all workers, which are in the midst of a step.")
            return
        trainer = self._experiment.trainer
        step = trainer.finished_step()
        if not step:
            return
        if isinstance(error, KeyboardInterrupt):
            self._log("Interrupted: saving a checkpoint. Interrupt again to stop without one.")
        checkpoints = self._experiment.checkpoints
        try:
            path = checkpoints.save(checkpoint_number=step, check_interval=False) or checkpoints.latest_checkpoint
        except GoBack as reason:
            self._log(f"{reason} No checkpoint was saved; run the same command again to resume from the last one.")
            return
        self._log(f"Stopped at step {step}; saved {path}. Run the same command again to resume.")
