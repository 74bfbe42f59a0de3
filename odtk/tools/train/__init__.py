"""`odtk train`: a pipeline.config to checkpoints, curves, pictures and a resolved config in a model dir."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from odtk import pipeline
from odtk.cluster import find_cluster
from odtk.durations import as_text, seconds_of
from odtk.errors import ConfigError, OdtkError
from odtk.tools.arguments import as_list, require_one_of, require_whole
from odtk.tools.check_config import fixing_command
from odtk.tools.train import remote_tpu
from odtk.tools.train.batch import is_to_be_found, with_planned_batch
from odtk.tools.train.checks import check
from odtk.tools.train.frozen_parts import with_frozen
from odtk.tools.train.longer_schedule import with_longer_schedule
from odtk.tools.train.options import (
    AUTO,
    FROZEN,
    LOG_TO,
    ON_NAN,
    PRECISIONS,
    TrainingOptions,
    cache_folder,
    require_services,
)  # fmt: skip
from odtk.tools.train.profiled_steps import profiled_steps, require_within
from odtk.tools.train.report import TrainingReport
from odtk.tools.train.run_record import choose_seed, repeated
from odtk.tools.train.worker_runs import own_folder, require_fit, warnings_alone
from odtk.training.times import Times

if TYPE_CHECKING:
    from odtk.training.callbacks.callback import Callback

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
    batch_size: int | str | None = None,
    accumulate: int | str = TrainingOptions.accumulate,
    precision: str = TrainingOptions.precision,
    xla: bool = False,
    devices: str = TrainingOptions.devices,
    tpu: str | None = None,
    workers: str | None = None,
    worker_index: int | None = None,
    freeze: str | None = None,
    profile: str | None = None,
    cache: str | None = None,
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
    be in a store, or on a drive that is away for minutes; of several workers the chief alone writes to it. Raises
    ConfigError, DataError or CheckpointError before the first step; with too many bad records, DataError after a
    checkpoint is saved; OutputError if `model_dir` cannot be written to, after the weights are saved elsewhere, if that
    is possible.
    """
    started = time.monotonic()
    options = TrainingOptions(
        num_steps=num_steps, extend_schedule=extend_schedule, checkpoint_every=checkpoint_every, keep=keep,
        log_every=log_every, eval_every=eval_every, eval_images=eval_images, best_metric=best_metric,
        patience=patience, min_delta=min_delta, max_time=max_time and as_text(max_time), on_nan=on_nan, seed=seed,
        deterministic=deterministic, log_to=tuple(as_list(log_to)), reuse_head_weights=reuse_head_weights,
        max_bad_records=max_bad_records, batch_size=batch_size, accumulate=accumulate, precision=precision, xla=xla,
        devices=devices, tpu=tpu, workers=workers, worker_index=worker_index, freeze=freeze,
        profile=profile, cache=cache,
    )  # fmt: skip
    check_options(options)
    cluster = find_cluster(options.workers, options.worker_index)
    is_chief = cluster is None or cluster.is_chief
    given = {"callbacks": callbacks, "should_stop": should_stop, "started": started}
    with own_folder(model_dir, cluster, _KEPT, log) as (folder, write):
        if repeat:
            pipeline_config, options = repeated(pipeline_config, folder, options, log)
        said = log if is_chief else warnings_alone(log)
        report = _train(pipeline_config, folder, options, said, write=write, cluster=cluster, announce=log, **given)
    return report if is_chief else replace(report, model_dir=str(model_dir), checkpoint="", summary=None)


def _train(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    options: TrainingOptions,
    log: Callable[[str], None],
    **given,
) -> TrainingReport:
    """`given`: the fields of CheckedRun that the caller decides."""
    times = Times()
    log("Reading the config and the records that it names.")
    config = pipeline.read(pipeline_config)
    steps = options.num_steps if options.num_steps is not None else config.train_config.num_steps
    if options.profile is not None:
        require_within(profiled_steps(options.profile), steps)
    in_file, config = config, with_planned_batch(config, options, model_dir)
    if options.extend_schedule:
        config = with_longer_schedule(config, steps, log)
    if options.freeze is not None:
        config = with_frozen(config, options.freeze, log)
    remote_tpu.require_fit(options, config, pipeline_config, model_dir)
    can_evaluate = check(config, pipeline_config, model_dir, options.num_steps, log, options.accumulate != 1)
    require_checkpoint_to_reuse(config, pipeline_config, options)
    if given["cluster"] is not None:
        require_fit(options, config, given["cluster"])
    seed = choose_seed(model_dir, options.seed, log)
    log("Loading TensorFlow and building the model.")
    from odtk.tools.train.running import CheckedRun, train_checked

    return train_checked(
        CheckedRun(
            pipeline_config=pipeline_config,
            model_dir=model_dir,
            options=options,
            config=config,
            config_in_file=in_file,
            finds_batch=is_to_be_found(options, model_dir),
            num_steps=steps,
            seed=seed,
            can_evaluate=can_evaluate,
            times=times,
            log=log,
            **given,
        )
    )


def require_checkpoint_to_reuse(config, filename: str | os.PathLike, options: TrainingOptions) -> None:
    """Raises ConfigError if head weights are to be reused and the config names no checkpoint."""
    if options.reuse_head_weights and not config.train_config.fine_tune_checkpoint:
        raise ConfigError(
            f"Head weights are reused from a checkpoint, but {filename} has none. Set it with "
            f"`{fixing_command(config, filename, '--fine-tune-checkpoint', 'PREFIX')}`.",
            argument="reuse_head_weights",
        )


def check_options(options: TrainingOptions) -> None:
    """Raises OdtkError for values that no run can have, or that contradict each other."""
    require_whole(1, num_steps=options.num_steps, checkpoint_every=options.checkpoint_every, keep=options.keep)
    require_whole(1, log_every=options.log_every, eval_images=options.eval_images, patience=options.patience)
    require_whole(0, max_bad_records=options.max_bad_records, eval_every=options.eval_every)
    require_whole(0, 2**32 - 1, seed=options.seed)
    if options.max_time is not None:
        seconds_of(options.max_time, "max_time")
    require_one_of(ON_NAN, on_nan=options.on_nan)
    require_one_of(PRECISIONS, precision=options.precision)
    if options.freeze is not None:
        require_one_of(FROZEN, freeze=options.freeze)
    if options.profile is not None:
        profiled_steps(options.profile)
    if options.cache is not None:
        cache_folder(options.cache)
    remote_tpu.require_options(options)
    for name in ("batch_size", "accumulate"):
        if getattr(options, name) != AUTO:
            require_whole(1, **{name: getattr(options, name)})
    for name in options.log_to:
        require_one_of(LOG_TO, log_to=name)
    if options.eval_every == 0 and (needs := options.needs_evaluations):
        raise OdtkError(
            f"{needs} needs evaluations, but eval_every is 0: nothing would be evaluated. Leave out one of the two.",
            argument=needs,
        )
    require_services(options.log_to)
