"""Puts official.core's and Orbit's objects together for one training run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import orbit
import tensorflow as tf
from official.core import config_definitions

from odtk.training import resume
from odtk.training.callbacks.checkpoints import StepCheckpoints
from odtk.training.experiment import Experiment
from odtk.training.loggers.logger import Logger, Summaries
from odtk.training.optimizer import build_optimizer, create_variables
from odtk.training.orbit_output import without_printing
from odtk.training.pace import Pace
from odtk.training.task import DetectionTask
from odtk.training.trainer import DetectionTrainer

CHECKPOINTS_KEPT = 7
"""TFOD's default."""


def build_experiment(
    task: DetectionTask,
    strategy: tf.distribute.Strategy,
    model_dir: str | os.PathLike,
    checkpoint_every: int,
    log_every: int,
    loggers: Sequence[Logger] = (),
    log: Callable[[str], None] = lambda line: None,
) -> Experiment:
    """Model, data, optimizer and loop; resumes a checkpoint in `model_dir`, otherwise loads a fine-tuning one.

    Checkpoints are saved and `loggers` called at multiples of the two numbers of steps. `log` is called if another than
    the newest checkpoint is resumed. Raises CheckpointError if one does not match, and the builders' errors.
    """
    model_dir = Path(model_dir)
    with strategy.scope(), without_printing():
        model = task.build_model()
        optimizer = build_optimizer(task.config.train_config.optimizer)
        create_variables(optimizer, model)
        reader = resume.open_newest(model_dir, log)
        if reader and task.seed is not None:
            # A resumed run reads new data, instead of repeating the data it started with.
            task.seed += reader.step or 0
        trainer = _build_trainer(task, strategy, model, optimizer)
        checkpoints = StepCheckpoints(
            trainer.checkpoint,
            os.fspath(model_dir),
            max_to_keep=CHECKPOINTS_KEPT,
            step_counter=trainer.global_step,
            checkpoint_interval=checkpoint_every,
            init_fn=trainer.initialize,
        )
        if reader:
            resume.require_match(model, reader)
        # Restores the newest checkpoint, or initializes the model.
        controller = orbit.Controller(
            strategy=strategy,
            global_step=trainer.global_step,
            trainer=trainer,
            steps_per_loop=Pace([log_every, checkpoint_every]),
            checkpoint_manager=checkpoints,
            summary_manager=Summaries(loggers, trainer.global_step, log_every),
        )
        new_slots = resume.new_slots(optimizer, reader) if reader else []
        if new_slots:
            resume.start_new_slots(optimizer, model, trainer.global_step)
    return Experiment(task, model, trainer, checkpoints, controller, reader.prefix if reader else None, new_slots)


def _build_trainer(task: DetectionTask, strategy: tf.distribute.Strategy, model, optimizer) -> DetectionTrainer:
    config = config_definitions.ExperimentConfig(
        task=task.task_config, trainer=config_definitions.TrainerConfig(train_tf_while_loop=True)
    )
    # Called for each input pipeline; the model defines what its batches contain.
    dataset = orbit.utils.make_distributed_dataset(strategy, task.build_inputs, model)
    return DetectionTrainer(config, task, model, optimizer, train_dataset=dataset)
