"""The interface between a training run and its loggers, and its connection to Orbit.

To add a logger, add a file to this folder and an entry to `build_loggers` in `odtk.tools.train.parts`.

A logger of files in the model dir lets their errors through (a full disk, a folder that is gone): they end the run,
with a message that names the folder; while the drive is away, the call is repeated. A logger of anything else stands
inside a `Service` (service.py), which calls it in a thread of its own and turns its errors into one warning.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orbit
import tensorflow as tf

from odtk.evaluation.run import Evaluation
from odtk.retrying import Writes, at_once
from odtk.training.run_info import RunInfo
from odtk.training.times import DRAWING, Times

if TYPE_CHECKING:
    from odtk.training.evaluator import TrainingEvaluator
    from odtk.training.trainer import DetectionTrainer


@dataclass(frozen=True)
class TrainingRow:
    """What is logged of a step of training.

    `scalars` are under TFOD's tags (losses, learning_rate, steps_per_sec), and gradient_norm and images_per_sec.
    """

    step: int
    scalars: Mapping[str, float]
    seconds_ago: float = 0.0
    """Since the step ended."""


class Logger:
    """Does nothing; subclasses override what they need. All methods are called on the training thread.

    What a method was given must be in its file when it returns, so that a killed run loses none. A step that is not
    above the one before it means that training went back to an earlier checkpoint: it replaces what was logged for it
    and for later ones.
    """

    def start(self, info: RunInfo, step: int) -> None:
        """Called once, before the first step; what an earlier, killed run logged after `step` no longer holds."""

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """Called with rows of rising steps (step 1 and multiples of log_every), after the callbacks of their loop."""

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Called after each evaluation."""

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """Called with pictures, uint8 [height, width, 3]; `run` is "train" or "eval", `tag` TFOD's where it has one."""

    def reopen(self) -> None:
        """Called before a method is called again because the model dir was away: open files are no longer valid."""

    def close(self, error: BaseException | None) -> None:
        """Called once, after training: it ended normally (None) or by `error`."""


class Loggers(Logger):
    """Several loggers as one, whose files are written by `write` (odtk.retrying)."""

    def __init__(self, loggers: Sequence[Logger], write: Writes = at_once):
        self._loggers, self._write = loggers, write

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._call("start", info, step)

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        self._call("log_training", rows)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._call("log_evaluation", step, evaluation)

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        self._call("log_picture", step, run, tag, pixels)

    def close(self, error: BaseException | None) -> None:
        """See Logger; each is closed, whether or not others can be."""
        write = self._write if error is None else at_once  # an error is told without waiting for a drive
        with contextlib.ExitStack() as ends:
            for logger in reversed(self._loggers):
                ends.callback(write, functools.partial(logger.close, error), logger.reopen)

    def _call(self, method: str, *args: object) -> None:
        for logger in self._loggers:
            self._write(functools.partial(getattr(logger, method), *args), before_retry=logger.reopen)


class _NoSummaries(orbit.utils.SummaryManagerInterface):
    """For summaries from inside a step, which detectors do not write."""

    def flush(self) -> None:
        """Does nothing: loggers flush when they write."""

    def summary_writer(self, relative_path: str = "") -> tf.summary.SummaryWriter:
        """A writer of nothing."""
        return tf.summary.create_noop_writer()


class TrainSummaries(_NoSummaries):
    """Passes the trainer's rows to a logger, each time that Orbit has a loop's summaries."""

    def __init__(self, logger: Logger, trainer: DetectionTrainer, batch_size: int):
        self._logger, self._trainer, self._batch_size = logger, trainer, batch_size

    def write_summaries(self, summary_dict: dict) -> None:
        """Orbit's dictionary, for the loop's speed; steps that ended within it are taken for equally long."""
        speed, end = float(summary_dict["steps_per_second"]), int(self._trainer.global_step.numpy())
        measured = {"steps_per_sec": speed, "images_per_sec": speed * self._batch_size}
        rows = self._trainer.take_rows()
        self._write([TrainingRow(row.step, row.logs | measured, (end - row.step) / speed) for row in rows])

    def write_rest(self) -> None:
        """The rows of a loop that did not come to its end, without its speed and what is not finite."""
        rows = self._trainer.take_rows()
        self._write([TrainingRow(row.step, row.logs) for row in rows if all(map(math.isfinite, row.logs.values()))])

    def _write(self, rows: list[TrainingRow]) -> None:
        if rows:
            self._logger.log_training(rows)


class EvaluationSummaries(_NoSummaries):
    """Passes each evaluation to a logger; most of the time that takes, results.png is drawn."""

    def __init__(self, logger: Logger, global_step: tf.Variable, evaluator: TrainingEvaluator, times: Times):
        self._logger, self._step, self._evaluator, self._times = logger, global_step, evaluator, times

    def write_summaries(self, summary_dict: dict) -> None:
        """Orbit's dictionary has the metrics alone; the evaluator knows more."""
        assert self._evaluator.latest is not None
        with self._times.phase(DRAWING):
            self._logger.log_evaluation(int(self._step.numpy()), self._evaluator.latest)
