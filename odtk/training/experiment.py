"""A prepared training run, for its loop and callbacks."""

from dataclasses import dataclass

import orbit
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.retrying import Writes
from odtk.training.best_metric import BestMetric
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.evaluator import TrainingEvaluator
from odtk.training.loggers.logger import Logger
from odtk.training.pace import Pace
from odtk.training.run_info import RunInfo
from odtk.training.task import DetectionTask
from odtk.training.times import Times
from odtk.training.trainer import DetectionTrainer
from odtk.training.workers import ALONE, Workers


@dataclass(frozen=True)
class Experiment:
    """The objects of one run; `odtk.training.loop.run` trains it."""

    info: RunInfo
    task: DetectionTask
    model: Detector
    trainer: DetectionTrainer
    evaluator: TrainingEvaluator | None
    """None if nothing is evaluated while it trains."""
    best_metric: BestMetric | None
    """By which weights are best; None like `evaluator`."""
    schedule: EvaluationSchedule
    checkpoints: tf.train.CheckpointManager
    controller: orbit.Controller
    pace: Pace
    logger: Logger
    """All loggers of the run, called as one; callbacks may give it pictures."""
    times: Times
    """Where the time goes; a callback that takes long opens a phase of its own."""
    write: Writes
    """Calls what writes files to the model dir, again if that is not reachable."""
    resumed_from: str | None
    """Prefix of the checkpoint that the run resumes from."""
    new_slots: list[str]
    """Names of the optimizer's slots that this checkpoint does not have."""
    workers: Workers = ALONE
    """The other processes that train the same model."""

    @property
    def step(self) -> int:
        """The number of steps trained so far, including earlier runs."""
        return int(self.trainer.global_step.numpy())  # int() alone fails with several replicas
