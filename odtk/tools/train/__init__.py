"""`odtk train`: a pipeline.config to checkpoints, curves, pictures and a resolved config in a model dir."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtk import files, label_map, pipeline, prototext
from odtk.errors import ConfigError, LabelMapError, OdtkError
from odtk.growing_folder import growing_folder
from odtk.retrying import Retrying, Writes
from odtk.tools import trained_classes
from odtk.tools.arguments import as_list, require_one_of, require_whole
from odtk.tools.check_config import fixing_command
from odtk.tools.train.checks import check, without_gpu
from odtk.tools.train.durations import as_text, seconds_of
from odtk.tools.train.longer_schedule import with_longer_schedule
from odtk.tools.train.options import LOG_TO, ON_NAN, TrainingOptions, command_line, require_services
from odtk.tools.train.restore_table import describe_restore
from odtk.tools.train.run_record import choose_seed, recording, repeated
from odtk.training.times import OTHER, STARTING, Times

if TYPE_CHECKING:
    from odtk.inputs.bad_records import BadRecord
    from odtk.records.box_errors import ImageWithBadBoxes
    from odtk.tools.train.run_summary import RunSummary
    from odtk.training.callbacks.callback import Callback


@dataclass
class TrainingReport:
    """Where a run ended and why, and what it skipped."""

    model_dir: str
    checkpoint: str
    first_step: int
    last_step: int
    reason: str
    """Why it ended."""
    losses: dict[str, float]
    devices: list[str]
    pipeline_config: str = ""
    """The config that was trained; of a repeated run the one in the folder of the first."""
    is_early: bool = False
    """Whether that was before its last step."""
    summary: RunSummary | None = None
    """Best weights, times and places; None if nothing was trained."""
    bad_records: list[BadRecord] = field(default_factory=list)
    bad_boxes: list[ImageWithBadBoxes] = field(default_factory=list)


_DONE = "all steps were done before"
_KEPT = "Its checkpoints are unchanged; run the same command again to resume from the newest."


def train(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    *,
    num_steps: int | None = None,
    extend_schedule: bool = False,
    checkpoint_every: int = TrainingOptions.checkpoint_every,
    keep: int = TrainingOptions.keep,
    log_every: int = TrainingOptions.log_every,
    eval_every: int | None = None,
    eval_images: int | None = None,
    best_metric: str = TrainingOptions.best_metric,
    patience: int | None = None,
    min_delta: float = TrainingOptions.min_delta,
    max_time: str | float | None = None,
    on_nan: str = TrainingOptions.on_nan,
    seed: int | None = None,
    deterministic: bool = False,
    repeat: bool = False,
    log_to: str | Sequence[str] = (),
    reuse_head_weights: bool = False,
    max_bad_records: int = TrainingOptions.max_bad_records,
    log: Callable[[str], None] = lambda line: None,
    callbacks: Sequence[Callback] | None = None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> TrainingReport:
    """Trains until `num_steps` (None for the config's) and returns where it ended.

    Resumes a `model_dir` that has a checkpoint. `reuse_head_weights` also restores those head weights of
    fine_tune_checkpoint that do not depend on the classes, if they match. Up to `max_bad_records` records that cannot
    be used are skipped; with 0, the first one ends the training. Boxes that cannot be used are skipped, in any number.
    `extend_schedule` stretches a learning rate schedule that ends before the last step, in this run and in the model
    dir's config. `log` is called with lines for the user; `callbacks` show the run and may stop it (see
    odtk.training.callbacks.callback); None is a panel or lines on stderr. `should_stop` is called about once per second
    and ends training, with a checkpoint, by returning the reason; `max_time` counts from this call on. `model_dir` may
    be in a store, or on a drive that is away for minutes. Raises ConfigError, DataError or CheckpointError before the
    first step; with too many bad records, DataError after a checkpoint is saved; OutputError if `model_dir` cannot be
    written to, after the weights are saved elsewhere, if that is possible.
    """
    started = time.monotonic()
    options = TrainingOptions(
        num_steps=num_steps, extend_schedule=extend_schedule, checkpoint_every=checkpoint_every, keep=keep,
        log_every=log_every, eval_every=eval_every, eval_images=eval_images, best_metric=best_metric,
        patience=patience, min_delta=min_delta, max_time=max_time and as_text(max_time), on_nan=on_nan, seed=seed,
        deterministic=deterministic, log_to=tuple(as_list(log_to)), reuse_head_weights=reuse_head_weights,
        max_bad_records=max_bad_records,
    )  # fmt: skip
    _check_arguments(options)
    # First of all: two runs in one folder would delete each other's checkpoints.
    with growing_folder(model_dir, _KEPT, log) as lock:
        if repeat:
            pipeline_config, options = repeated(pipeline_config, model_dir, options, log)
        write = Retrying(model_dir, lock, log)
        return _train(pipeline_config, model_dir, options, write, log, callbacks, should_stop, started)


def _train(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    options: TrainingOptions,
    write: Writes,
    log: Callable[[str], None],
    callbacks: Sequence[Callback] | None,
    should_stop: Callable[[], str | None],
    started: float,
) -> TrainingReport:
    times = Times()
    log("Reading the config and the records that it names.")
    config = pipeline.read(pipeline_config)
    steps = options.num_steps if options.num_steps is not None else config.train_config.num_steps
    if options.extend_schedule:
        config = with_longer_schedule(config, steps, log)
    can_evaluate = check(config, pipeline_config, model_dir, options.num_steps, log)
    _require_checkpoint_to_reuse(config, pipeline_config, options)
    seed = choose_seed(model_dir, options.seed, log)
    log("Loading TensorFlow and building the model.")
    from odtk.inputs.bad_boxes import BadBoxes
    from odtk.inputs.bad_records import BadRecordFilter, summary
    from odtk.tools.train.explained_errors import explained_errors
    from odtk.tools.train.explained_write_errors import explained_write_errors, little_space
    from odtk.tools.train.parts import build_callbacks, build_limits, build_loggers, build_schedule, run_info
    from odtk.tools.train.run_summary import log_unfinished, summarize
    from odtk.training.build import build_experiment
    from odtk.training.loop import owes_evaluation, run
    from odtk.training.strategy import build_strategy
    from odtk.training.task import DetectionTask

    devices = _prepare_process(config, seed, options.deterministic, log)
    record_filter = BadRecordFilter(options.max_bad_records, log) if options.max_bad_records else None
    bad_boxes = BadBoxes(log)
    task = DetectionTask(
        config,
        seed,
        lambda report: log(describe_restore(report)),
        options.reuse_head_weights,
        record_filter,
        bad_boxes,
        deterministic=options.deterministic or options.seed is not None,
    )
    experiment = build_experiment(
        task,
        build_strategy(),
        run_info(config, model_dir, steps, seed),
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        schedule=build_schedule(options, steps, can_evaluate, log),
        eval_images=options.eval_images,
        best_metric=options.best_metric,
        max_bad_records=options.max_bad_records,
        must_evaluate=bool(options.needs_evaluations),
        loggers=build_loggers(options, log),
        times=times,
        write=write,
        log=log,
    )
    first = experiment.step
    # Only now it is certain that config and checkpoint match.
    _save_config(config, model_dir, is_resumed=bool(experiment.resumed_from))
    if experiment.resumed_from:
        log(f"Resuming from {experiment.resumed_from}, step {first}.")
    if experiment.new_slots:
        log(f"It was trained with another optimizer; this one's {', '.join(experiment.new_slots)} start from scratch.")
    if warning := little_space(experiment, options.keep):
        log(f"warning: {warning}")
    if first >= steps and not owes_evaluation(experiment):
        resumed = experiment.resumed_from or ""
        return TrainingReport(str(model_dir), resumed, first, first, _DONE, {}, devices, str(pipeline_config))
    with (
        recording(
            pipeline_config, model_dir, options, config, seed, devices, lambda: experiment.step, write
        ) as session,
        explained_errors(experiment, steps, config, pipeline_config),
        explained_write_errors(experiment, command_line(pipeline_config, model_dir, options)),
    ):
        limits = build_limits(options, should_stop, started, record_filter)
        times.move(times.total, OTHER, STARTING)
        try:
            outcome = run(experiment, steps, build_callbacks(options, callbacks, limits, log))
        except BaseException:
            log_unfinished(experiment, log)
            raise
        session.reason = outcome.reason
    bad = record_filter.bad_records if record_filter else []
    if bad:
        log(summary(bad))
    if spoiled := bad_boxes.summary():
        log(spoiled)
    return TrainingReport(
        model_dir=str(model_dir),
        checkpoint=experiment.checkpoints.latest_checkpoint,
        first_step=first,
        last_step=experiment.step,
        reason=outcome.reason,
        losses=outcome.logs,
        devices=devices,
        pipeline_config=str(pipeline_config),
        is_early=experiment.step < steps,
        summary=summarize(experiment, pipeline_config, options.patience, options.min_delta),
        bad_records=bad,
        bad_boxes=bad_boxes.images,
    )


def _require_checkpoint_to_reuse(config, filename: str | os.PathLike, options: TrainingOptions) -> None:
    if options.reuse_head_weights and not config.train_config.fine_tune_checkpoint:
        raise ConfigError(
            f"Head weights are reused from a checkpoint, but {filename} has none. Set it with "
            f"`{fixing_command(config, filename, '--fine-tune-checkpoint', 'PREFIX')}`.",
            argument="reuse_head_weights",
        )


def _check_arguments(options: TrainingOptions) -> None:
    require_whole(1, num_steps=options.num_steps, checkpoint_every=options.checkpoint_every, keep=options.keep)
    require_whole(1, log_every=options.log_every, eval_images=options.eval_images, patience=options.patience)
    require_whole(0, max_bad_records=options.max_bad_records, eval_every=options.eval_every)
    require_whole(0, 2**32 - 1, seed=options.seed)
    if options.max_time is not None:
        seconds_of(options.max_time, "max_time")
    require_one_of(ON_NAN, on_nan=options.on_nan)
    for name in options.log_to:
        require_one_of(LOG_TO, log_to=name)
    if options.eval_every == 0 and (needs := options.needs_evaluations):
        raise OdtkError(
            f"{needs} needs evaluations, but eval_every is 0: nothing would be evaluated. Leave out one of the two.",
            argument=needs,
        )
    require_services(options.log_to)


def _prepare_process(config, seed: int, deterministic: bool, log: Callable[[str], None]) -> list[str]:
    """Sets up TensorFlow; returns the names of the GPUs."""
    import tf_keras

    from odtk.devices import keep_freed_memory, prepare_gpus, use_deterministic_operations

    devices = prepare_gpus()
    keep_freed_memory()
    if not devices:
        log(without_gpu(config))
    tf_keras.utils.set_random_seed(seed)
    if deterministic:
        use_deterministic_operations()
    return devices


def _save_config(config, model_dir: str | os.PathLike, is_resumed: bool) -> None:
    files.write_text(files.join(model_dir, "pipeline.config"), pipeline.format(config))
    name = config.train_input_reader.label_map_path
    # A map without some trained classes would no longer define the meaning of their outputs.
    if name and not (is_resumed and trained_classes.lacks_trained_classes(model_dir, name)):
        text = prototext.read_text(label_map.find(name), "a label map", LabelMapError)
        files.write_text(files.join(model_dir, trained_classes.FILE), text)
