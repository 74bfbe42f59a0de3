"""official.core's Trainer with TFOD's words: its checkpoint layout, its scalar tags, its step numbers."""

import math
import os
import time

import orbit
import tensorflow as tf
from official.core import base_trainer

from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.errors import OdtkError
from odtk.inputs.build import record_files
from odtk.inputs.record_errors import names_of_records

# How long a block of steps may take before the terminal hears of it.
SECONDS_PER_LOOP = 1.0
_RECORDS_NAMED = 16


class DetectionTrainer(base_trainer.Trainer):
    """Saves variables under TFOD's keys and reports the last step's losses instead of their means."""

    def __init__(self, config, task, model, optimizer, train_dataset):
        super().__init__(config, task, model, optimizer, train=True, evaluate=False, train_dataset=train_dataset)
        # TFOD calls it `step`, official.core `global_step`.
        steps = {"step": self.global_step, "global_step": self.global_step}
        self._checkpoint = tf.train.Checkpoint(**steps, optimizer=optimizer, **model.checkpoint_objects())

    def train_loop_end(self) -> dict[str, tf.Tensor]:
        """The losses of the last step, and the rate that the next one uses (as TFOD logs it)."""
        logs = {metric.name: metric.result() for metric in self.train_metrics}
        logs["learning_rate"] = current_learning_rate(self.optimizer)
        return logs


def current_learning_rate(optimizer) -> tf.Tensor:
    """The schedule's rate at the optimizer's next step."""
    # official's moving average wraps the optimizer that does the work.
    rate = getattr(optimizer, "learning_rate", None)
    return rate(optimizer.iterations) if callable(rate) else tf.convert_to_tensor(rate)


class TfodSummaries(orbit.utils.SummaryManager):
    """TensorBoard scalars under TFOD's tags, at every `every` steps and at the first step of a run."""

    def __init__(self, folder: str | os.PathLike, global_step: tf.Variable, every: int):
        super().__init__(os.fspath(folder), tf.summary.scalar, global_step)
        self.step, self.every, self._wrote = global_step, every, False

    def write_summaries(self, summary_dict: dict) -> None:
        """Orbit's dictionary, renamed."""
        if self._wrote and int(self.step) % self.every:
            return
        self._wrote = True
        renamed = {"steps_per_second": "steps_per_sec"}
        super().write_summaries({renamed.get(name, name): value for name, value in summary_dict.items()})


class Pace:
    """Steps to run before Python looks up again: about SECONDS_PER_LOOP's worth, never past a multiple of `marks`.

    On a GPU a look-up waits for the device, so it should not come at every step; on a CPU a step can take seconds.
    """

    def __init__(self, marks: list[int]):
        self.marks = marks
        self._last: tuple[int, float] | None = None

    def __call__(self, step) -> int:
        """Number of steps for the loop that starts at `step`."""
        step, now = int(step), time.monotonic()
        loop = 1
        # The first loop holds tracing and says nothing about speed; the second measures it.
        if self._last is not None and step > self._last[0] > self._first:
            seconds = (now - self._last[1]) / (step - self._last[0])
            loop = max(1, int(SECONDS_PER_LOOP / seconds))
        elif self._last is None:
            self._first = step
        self._last = (step, now)
        return min([loop] + [mark - step % mark for mark in self.marks])


def stop_at_nan(trainer: DetectionTrainer):
    """An Orbit action that ends a run whose loss is no number, before a useless checkpoint is saved.

    It names the records of the first batch that gave such a loss.
    """

    def action(output: dict) -> None:
        if not math.isfinite(float(output[TOTAL_LOSS])):
            losses = ", ".join(f"{tag} {float(value):.3g}" for tag, value in output.items())
            step, records = _first_failure(trainer.task)
            raise OdtkError(
                f"The loss is not finite any more at step {step or int(trainer.global_step)} ({losses}). {records}"
                "Usually the learning rate is too high for the batch size: lower it (odtk configure ... "
                "--learning-rate), lengthen the warm-up, or set train_config.gradient_clipping_by_norm: 10. Where it "
                "ends at the same records again, look at them: odtk inspect CONFIG --verify. Run again to go on from "
                "the last checkpoint."
            )

    return action


def _first_failure(task) -> tuple[int | None, str]:
    """The step (from 1) whose batch was the first without a loss, and a sentence that names its records."""
    found = task.first_failure.read()
    if found is None:
        return None, ""
    step, places = found
    names = names_of_records(record_files(task.config.train_input_reader), places[:_RECORDS_NAMED])
    more = f" and {len(places) - _RECORDS_NAMED} more" if len(places) > _RECORDS_NAMED else ""
    return step + 1, f"The batch of that step: {', '.join(names)}{more}. "
