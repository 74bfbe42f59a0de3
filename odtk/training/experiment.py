"""A prepared training run, for its loop and callbacks."""

from dataclasses import dataclass

import orbit
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.training.task import DetectionTask
from odtk.training.trainer import DetectionTrainer


@dataclass(frozen=True)
class Experiment:
    """The objects of one run; `odtk.training.loop.run` trains it."""

    task: DetectionTask
    model: Detector
    trainer: DetectionTrainer
    checkpoints: tf.train.CheckpointManager
    controller: orbit.Controller
    resumed_from: str | None
    """Prefix of the checkpoint that the run resumes from."""
    new_slots: list[str]
    """Names of the optimizer's slots that this checkpoint does not have."""

    @property
    def step(self) -> int:
        """The number of steps trained so far, including earlier runs."""
        return int(self.trainer.global_step.numpy())  # int() alone fails with several replicas
