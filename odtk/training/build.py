"""Puts official.core's and Orbit's objects together for one training run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import orbit
import tensorflow as tf
from official.core import config_definitions

from odtk.training import resume
from odtk.training.callbacks.checkpoints import StepCheckpoints
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.evaluator import TrainingEvaluator
from odtk.training.experiment import Experiment
from odtk.training.input_wait import InputWait
from odtk.training.loggers.logger import EvaluationSummaries, Logger, Loggers, TrainSummaries
from odtk.training.optimizer import build_optimizer, create_variables
from odtk.training.orbit_output import without_printing
from odtk.training.pace import Pace
from odtk.training.run_info import RunInfo
from odtk.training.task import DetectionTask
from odtk.training.times import Times
from odtk.training.trainer import DetectionTrainer

_WHOLE_CALL = 2**31 - 1  # steps; odtk.training.loop calls Orbit once for each loop


def build_experiment(
    task: DetectionTask,
    strategy: tf.distribute.Strategy,
    info: RunInfo,
    *,
    checkpoint_every: int,
    keep: int,
    log_every: int,
    eval_every: int,
    loggers: Sequence[Logger] = (),
    times: Times | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Experiment:
    """Model, data, optimizer and loop; resumes a checkpoint in the model dir, otherwise loads a fine-tuning one.

    Checkpoints are saved, `loggers` called and evaluations made at multiples of the three numbers of steps; the newest
    `keep` checkpoints are kept, and `eval_every` 0 evaluates nothing. `times` measures the run. `log` is called if
    another than the newest checkpoint is resumed. Raises CheckpointError if one does not match, and the builders'
    errors.
    """
    logger, times, wait = Loggers(loggers), times or Times(), InputWait()
    with strategy.scope(), without_printing():
        model = task.build_model()
        optimizer = build_optimizer(task.config.train_config.optimizer)
        create_variables(optimizer, model)
        reader = resume.open_newest(Path(info.model_dir), log)
        if reader and task.seed is not None:
            # A resumed run reads new data, instead of repeating the data it started with.
            task.seed += reader.step or 0
        trainer = _build_trainer(task, strategy, model, optimizer, times, wait)
        evaluator = TrainingEvaluator(task.config, model) if eval_every else None
        schedule = EvaluationSchedule(eval_every, info.num_steps)
        checkpoints = StepCheckpoints(
            trainer.checkpoint,
            os.fspath(info.model_dir),
            max_to_keep=keep,
            step_counter=trainer.global_step,
            checkpoint_interval=checkpoint_every,
            init_fn=trainer.initialize,
            times=times,
        )
        if reader:
            resume.require_match(model, reader)
        # Restores the newest checkpoint, or initializes the model.
        controller = orbit.Controller(
            strategy=strategy,
            global_step=trainer.global_step,
            trainer=trainer,
            evaluator=evaluator,
            steps_per_loop=_WHOLE_CALL,
            checkpoint_manager=checkpoints,
            summary_manager=TrainSummaries(logger, trainer.global_step, log_every),
        )
        if evaluator:
            # As an argument Orbit takes it only with folders of its own, and otherwise the training's instead.
            controller.eval_summary_manager = EvaluationSummaries(logger, trainer.global_step, evaluator)
        new_slots = resume.new_slots(optimizer, reader) if reader else []
        if new_slots:
            resume.start_new_slots(optimizer, model, trainer.global_step)
    return Experiment(
        info=info,
        task=task,
        model=model,
        trainer=trainer,
        evaluator=evaluator,
        schedule=schedule,
        checkpoints=checkpoints,
        controller=controller,
        pace=Pace([log_every, checkpoint_every, *schedule.marks], lambda: times.training),
        logger=logger,
        times=times,
        resumed_from=reader.prefix if reader else None,
        new_slots=new_slots,
    )


def _build_trainer(
    task: DetectionTask, strategy: tf.distribute.Strategy, model, optimizer, times: Times, wait: InputWait
) -> DetectionTrainer:
    config = config_definitions.ExperimentConfig(
        task=task.task_config, trainer=config_definitions.TrainerConfig(train_tf_while_loop=True)
    )
    # Called for each input pipeline; the model defines what its batches contain.
    dataset = orbit.utils.make_distributed_dataset(strategy, task.build_inputs, model)
    return DetectionTrainer(config, task, model, optimizer, train_dataset=dataset, times=times, wait=wait)
