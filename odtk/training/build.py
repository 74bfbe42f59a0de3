"""Puts official.core's and Orbit's objects together for one training run."""

import functools
from collections.abc import Callable, Sequence

import orbit
import tensorflow as tf
from official.core import config_definitions

from odtk.errors import OdtkError
from odtk.evaluation.build import DEFAULT_MAX_BAD_RECORDS, ConfiguredEvaluation
from odtk.inputs.build import count_images
from odtk.inputs.epochs import Position
from odtk.retrying import Writes, at_once
from odtk.training import resume
from odtk.training.best_metric import DEFAULT, find_metric
from odtk.training.callbacks.checkpoints import StepCheckpoints
from odtk.training.device_inputs import distribute
from odtk.training.evaluation_schedule import EvaluationSchedule
from odtk.training.evaluator import TrainingEvaluator
from odtk.training.experiment import Experiment
from odtk.training.input_wait import InputWait
from odtk.training.loggers.logger import EvaluationSummaries, Logger, Loggers, TrainSummaries
from odtk.training.measured_weights import MeasuredWeights
from odtk.training.optimizer import build_optimizer, create_variables, make_scalable
from odtk.training.orbit_output import without_printing
from odtk.training.pace import Pace
from odtk.training.replica_statistics import ReplicaStatistics
from odtk.training.run_info import RunInfo
from odtk.training.task import DetectionTask
from odtk.training.times import Times
from odtk.training.trainer import DetectionTrainer
from odtk.training.workers import ALONE, Workers

_WHOLE_CALL = 2**31 - 1  # steps; odtk.training.loop calls Orbit once for each loop


def build_experiment(
    task: DetectionTask,
    strategy: tf.distribute.Strategy,
    info: RunInfo,
    *,
    checkpoint_every: int,
    keep: int,
    log_every: int,
    schedule: EvaluationSchedule,
    eval_images: int | None = None,
    best_metric: str = DEFAULT,
    max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
    must_evaluate: bool = False,
    loggers: Sequence[Logger] = (),
    times: Times | None = None,
    write: Writes = at_once,
    log: Callable[[str], None] = lambda line: None,
    workers: Workers = ALONE,
) -> Experiment:
    """Model, data, optimizer and loop; resumes a checkpoint in the model dir, otherwise loads a fine-tuning one.

    Checkpoints are saved and `loggers` called at multiples of the two numbers of steps; the newest `keep` checkpoints
    are kept. Evaluations are made by `schedule`, on a fixed sample of `eval_images` (None: all), without up to
    `max_bad_records` records; if the config or the records do not allow one, `log` is told, or with `must_evaluate`
    their error raised. `times` measures the run, `write` calls
    what writes files. `log` is called, too, if another than the newest checkpoint is resumed. Of several
    `workers`, the chief alone reads checkpoints, and the others get its weights. Raises ConfigError for a
    `best_metric` that is not measured, CheckpointError if a checkpoint does not match, and the builders' errors.
    """
    logger, times, wait = Loggers(loggers, write), times or Times(), InputWait()
    with strategy.scope(), without_printing():
        model = task.build_model()
        optimizer = build_optimizer(task.config.train_config.optimizer)
        make_scalable(optimizer)
        create_variables(optimizer, model)
        with workers.together():
            reader = resume.open_newest(info.model_dir, log) if workers.is_chief else None
            if reader:
                task.start = resume.next_position(reader, task.config, log)
            task.start = Position.after(workers.chiefs(task.start.number - 1))
        trainer = _build_trainer(task, strategy, model, optimizer, times, wait, log_every)
        if workers.count > 1:
            trainer.checkpoint.save_counter  # noqa: B018  made when it is read; later the chief alone would
        evaluator, statistics = None, ReplicaStatistics(model)
        if schedule.is_on:
            weights = MeasuredWeights(model, optimizer, task.config.eval_config.use_moving_averages, statistics)
            evaluator = _build_evaluator(
                task.config, model, weights, eval_images, max_bad_records, must_evaluate, log, workers
            )
        checkpoints = StepCheckpoints(
            trainer.checkpoint,
            info.model_dir,
            max_to_keep=keep,
            step_counter=trainer.global_step,
            checkpoint_interval=checkpoint_every,
            init_fn=trainer.initialize if workers.is_chief else None,
            times=times,
            write=write,
        )
        checkpoints.settle = statistics.join
        if evaluator:
            checkpoints.trained_weights = evaluator.weights.put_aside
        best = find_metric(best_metric, evaluator.measured.nothing_measured()) if evaluator else None
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
            summary_manager=TrainSummaries(logger, trainer, info.batch_size),
        )
        if evaluator:
            # As an argument Orbit takes it only with folders of its own, and otherwise the training's instead.
            controller.eval_summary_manager = EvaluationSummaries(logger, trainer.global_step, evaluator, times)
        new_slots = resume.new_slots(optimizer, reader) if reader else []
        if new_slots:
            optimizer.iterations.assign(trainer.global_step)  # the schedule continues
        if reader:
            resume.start_averages(optimizer, model, reader)
        workers.spread(trainer.saved_variables())
    return Experiment(
        info=info,
        task=task,
        model=model,
        trainer=trainer,
        evaluator=evaluator,
        best_metric=best,
        schedule=schedule,
        checkpoints=checkpoints,
        controller=controller,
        pace=Pace([checkpoint_every, *schedule.marks], log_every, lambda: times.training),
        logger=logger,
        times=times,
        write=write,
        resumed_from=reader.prefix if reader else None,
        new_slots=new_slots,
        workers=workers,
    )


def _build_evaluator(
    config,
    model,
    weights: MeasuredWeights,
    max_images: int | None,
    max_bad_records: int,
    is_required: bool,
    log: Callable[[str], None],
    workers: Workers,
) -> TrainingEvaluator | None:
    try:
        measured = ConfiguredEvaluation(
            config, model, max_images=max_images, max_bad_records=max_bad_records, log=log, sharing=workers
        )
    except OdtkError as error:
        if is_required:
            raise
        log(f"warning: {error} Nothing is evaluated while it trains.")
        return None
    if max_images is not None:
        total = count_images(config.eval_input_reader[0])
        of_how_many = f" of {total:,}" if total is not None else ""
        log(f"Evaluations are on a fixed sample of {measured.num_images:,}{of_how_many} images.")
    return TrainingEvaluator(measured, weights, is_required, log)


def _build_trainer(
    task: DetectionTask,
    strategy: tf.distribute.Strategy,
    model,
    optimizer,
    times: Times,
    wait: InputWait,
    log_every: int,
) -> DetectionTrainer:
    config = config_definitions.ExperimentConfig(
        task=task.task_config, trainer=config_definitions.TrainerConfig(train_tf_while_loop=True)
    )
    # Called for each input pipeline; the model defines what its batches contain.
    build_inputs = task.first_batch.watching(task.build_inputs, lambda: task.micro_batches)
    build_dataset = functools.partial(distribute, strategy, build_inputs, model)
    return DetectionTrainer(config, task, model, optimizer, build_dataset, times, wait, log_every)
