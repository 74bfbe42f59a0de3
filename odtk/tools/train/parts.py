"""The callbacks and loggers of a run."""

import os
from collections.abc import Callable, Sequence

from odtk import pipeline
from odtk.durations import seconds_of
from odtk.errors import ConfigError
from odtk.inputs.build import count_images
from odtk.inputs.record_filter import RecordFilter
from odtk.tools.train.options import TrainingOptions
from odtk.tools.train.profiled_steps import profiled_steps
from odtk.training.callbacks.bad_records import BadRecordLimit
from odtk.training.callbacks.best_weights import BestWeights
from odtk.training.callbacks.callback import Callback
from odtk.training.callbacks.checkpoints import SaveAtInterruption
from odtk.training.callbacks.early_stopping import EarlyStopping
from odtk.training.callbacks.evaluation_pictures import EvaluationPictures
from odtk.training.callbacks.first_batch import FirstBatchPicture
from odtk.training.callbacks.interruption import StopWhenAsked
from odtk.training.callbacks.nan_guard import NanGuard
from odtk.training.callbacks.not_learning import NotLearning
from odtk.training.callbacks.panel import Panel
from odtk.training.callbacks.profile import Profile
from odtk.training.callbacks.skipped_steps import SkippedSteps
from odtk.training.callbacks.time_limit import TimeLimit
from odtk.training.evaluation_schedule import EvaluationSchedule, automatic_schedule
from odtk.training.loggers.csv_files import EvaluationsCsv, MetricsCsv
from odtk.training.loggers.logger import Logger
from odtk.training.loggers.mlflow_run import MlflowRun
from odtk.training.loggers.results_plot import ResultsPlot
from odtk.training.loggers.service import Service
from odtk.training.loggers.tensorboard import TensorBoard
from odtk.training.loggers.wandb_run import WandbRun
from odtk.training.run_info import RunInfo

_SERVICES: dict[str, tuple[str, Callable[..., Logger]]] = {
    "wandb": ("Weights & Biases", WandbRun),
    "mlflow": ("MLflow", MlflowRun),
}


def build_callbacks(
    options: TrainingOptions,
    shown: Sequence[Callback] | None,
    limits: Sequence[Callback],
    log: Callable[[str], None],
    is_chief: bool = True,
) -> list[Callback]:
    """All callbacks, in the order in which they are called after each loop; at the end the order is reversed.

    `shown` are the user's own; None for the panel. A worker that is not the chief has those that take all workers.
    """
    if not is_chief:
        return [NanGuard(options.on_nan, log), *limits, BestWeights(), SaveAtInterruption(log)]
    profile = [Profile(*profiled_steps(options.profile), log)] if options.profile else []
    patience = [EarlyStopping(options.patience, options.min_delta)] if options.patience else []
    return [
        *profile,  # before the others, whose work is not a step's
        FirstBatchPicture(log),  # before the guard: what was wrong with a first step may be seen there
        NanGuard(options.on_nan, log),  # what others would save or show of such a loop is useless
        *([Panel()] if shown is None else shown),
        NotLearning(log),
        SkippedSteps(log),
        *limits,
        BestWeights(),
        *patience,
        EvaluationPictures(log),
        SaveAtInterruption(log),
    ]


def build_limits(
    options: TrainingOptions,
    should_stop: Callable[[], str | None],
    started: float,
    record_filter: RecordFilter | None,
) -> list[Callback]:
    """The callbacks that end a run before its last step; its time counts from `started`, a time.monotonic()."""
    limits: list[Callback] = [BadRecordLimit(record_filter)] if record_filter else []
    if options.max_time is not None:
        limits.append(TimeLimit(seconds_of(options.max_time, "max_time"), str(options.max_time), started))
    return [*limits, StopWhenAsked(should_stop)]


def build_loggers(options: TrainingOptions, log: Callable[[str], None]) -> list[Logger]:
    """All loggers."""
    services = [Service(name, logger(log), log) for key, (name, logger) in _SERVICES.items() if key in options.log_to]
    return [MetricsCsv(log), EvaluationsCsv(log), TensorBoard(), ResultsPlot(log), *services]


def build_schedule(
    options: TrainingOptions, num_steps: int, can_evaluate: bool, log: Callable[[str], None]
) -> EvaluationSchedule:
    """When to evaluate; never without a valid evaluation part of the config, which `log` is told.

    Raises ConfigError if other options need evaluations.
    """
    if not can_evaluate and (needs := options.needs_evaluations):
        raise ConfigError(
            f"{needs} needs evaluations, but the evaluation part of the config has the errors above. Correct them.",
            argument=needs,
        )
    if not can_evaluate and options.eval_every != 0:
        why = "the evaluation part of the config has errors"
        log(f"warning: Nothing is evaluated while it trains, and no weights are kept as the best: {why}.")
    if not can_evaluate:
        return EvaluationSchedule(0, num_steps)
    if options.eval_every is None:
        return automatic_schedule(options.checkpoint_every, num_steps)
    return EvaluationSchedule(options.eval_every, num_steps)


def run_info(config, model_dir: str | os.PathLike, num_steps: int, seed: int) -> RunInfo:
    """What the loggers and callbacks must know of the run."""
    return RunInfo(
        model_dir=os.fspath(model_dir),
        config_text=pipeline.format(config),
        batch_size=config.train_config.batch_size,
        num_records=_count_training_records(config),
        num_steps=num_steps,
        seed=seed,
    )


def _count_training_records(config) -> int | None:
    """By their lengths alone; None for files in an object store and files that cannot be read."""
    try:
        return count_images(config.train_input_reader)
    except OSError:
        return None
