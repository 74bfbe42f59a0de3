"""When checkpoints are saved: at an interval, and when a run ends early."""

from collections.abc import Callable

import tensorflow as tf

from odtk.errors import DataError
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.times import SAVING, Times

# Weights are good until then.
_ENDS_HALF_WAY = (KeyboardInterrupt, DataError, tf.errors.OutOfRangeError)


class StepCheckpoints(tf.train.CheckpointManager):
    """Saves at multiples of the interval; TensorFlow's own also saves after the first step of every run."""

    def __init__(self, *args, times: Times, **options):
        """As TensorFlow's; `times` measures the saving."""
        super().__init__(*args, **options)
        self._times = times

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """The saved path; None with `check_interval` if the step is not a multiple."""
        if check_interval and int(self._step_counter.numpy()) % self.checkpoint_interval:
            return None
        with self._times.phase(SAVING):
            return super().save(checkpoint_number, check_interval=False, options=options)


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
        trainer = self._experiment.trainer
        # A step whose data failed may have been counted, but has not changed any weights.
        step = int(trainer.optimizer.iterations.numpy())
        trainer.global_step.assign(step)
        if not step:
            return
        if isinstance(error, KeyboardInterrupt):
            self._log("Interrupted: saving a checkpoint. Interrupt again to stop without one.")
        path = self._experiment.checkpoints.save(checkpoint_number=step, check_interval=False)
        self._log(f"Stopped at step {step}; saved {path}. Run the same command again to resume.")
