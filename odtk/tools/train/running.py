"""The part of `odtk train` that needs TensorFlow: builds a run whose config is checked, trains, and reports."""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import tensorflow as tf
import tf_keras

from odtk import files, label_map, pipeline, prototext
from odtk.cluster import Cluster
from odtk.device_choice import find_chosen, use_only
from odtk.devices import keep_freed_memory, use_deterministic_operations, use_quick_batch_norms
from odtk.errors import LabelMapError
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.hardware import CPU, is_on_remote_tpu, is_on_tpu, with_memory
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.image_cache import ImageCache
from odtk.inputs.record_filter import RecordFilter, new_filter
from odtk.inputs.skipped_records import summary
from odtk.layers.precision import BFLOAT16
from odtk.protos import pipeline_pb2
from odtk.retrying import Writes
from odtk.tools import trained_classes
from odtk.tools.train import remote_tpu
from odtk.tools.train.batch import Batch, batch_line
from odtk.tools.train.batch_choice import BatchChoice, choose_batch
from odtk.tools.train.cached_images import cached_images
from odtk.tools.train.device_line import device_line
from odtk.tools.train.explained_errors import explained_errors
from odtk.tools.train.explained_write_errors import explained_write_errors, last_saved_step, little_space
from odtk.tools.train.options import AUTO, TrainingOptions, command_line
from odtk.tools.train.parts import build_callbacks, build_limits, build_loggers, build_schedule, run_info
from odtk.tools.train.report import TrainingReport
from odtk.tools.train.restore_table import describe_restore
from odtk.tools.train.run_record import recording
from odtk.tools.train.run_summary import log_unfinished, summarize
from odtk.tools.train.worker_runs import explained_worker_errors, facts
from odtk.training.build import build_experiment
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.freezing import count_weights
from odtk.training.loop import Outcome, owes_evaluation, run
from odtk.training.precision import choose_precision
from odtk.training.strategy import build_strategy, devices_of
from odtk.training.task import DetectionTask
from odtk.training.times import OTHER, STARTING, Times
from odtk.training.workers import ALONE, Workers, connect

_DONE = "all steps were done before"


@dataclass(frozen=True)
class CheckedRun:
    """What is to be trained, and how; the config is checked."""

    pipeline_config: str | os.PathLike
    model_dir: str | os.PathLike
    options: TrainingOptions
    config: pipeline_pb2.TrainEvalPipelineConfig
    config_in_file: pipeline_pb2.TrainEvalPipelineConfig
    """Without the batch size of the options."""
    finds_batch: bool
    """Whether trial steps choose the batch size."""
    num_steps: int
    seed: int
    can_evaluate: bool
    """Whether the evaluation part of the config is valid, too."""
    times: Times
    started: float
    """When the command began, by time.monotonic."""
    write: Writes
    log: Callable[[str], None]
    callbacks: Sequence[Callback] | None
    should_stop: Callable[[], str | None]
    cluster: Cluster | None = None
    """The workers that train together; None for a process that trains alone."""
    announce: Callable[[str], None] = lambda line: None
    """`log`, for what each of several workers says."""


def train_checked(checked: CheckedRun) -> TrainingReport:
    """Trains to the last step, or to where something ends it."""
    options, log = checked.options, checked.log
    workers, strategy = _prepare_process(checked)
    with explained_worker_errors(checked.cluster, lambda: 0, lambda: None):
        checked = _as_the_chief(checked, workers)
    devices = [device.name for device in devices_of(strategy) if device.kind != CPU]
    with strategy.scope():
        if is_on_remote_tpu():  # perhaps the caller's own, of which the options do not tell
            remote_tpu.require_fit(options, checked.config, checked.pipeline_config, checked.model_dir, True)
        record_filter = new_filter(options.max_bad_records, log, is_on_tpu())
    bad_boxes = BadBoxes(log)
    precision = choose_precision(options.precision, checked.config, devices_of(strategy))
    log(precision.line)
    if precision.precision == BFLOAT16:
        use_quick_batch_norms()
    build_task = functools.partial(_build_task, checked, precision.precision)
    checked, batch = _with_batch(checked, strategy, build_task)
    image_cache = ImageCache(log) if options.cache else None
    watching = {"record_filter": record_filter, "bad_boxes": bad_boxes, "image_cache": image_cache}
    with explained_worker_errors(checked.cluster, lambda: 0, lambda: None):
        workers.require_equal({"precision": precision.precision})
        experiment = _build(checked, strategy, workers, build_task(checked.config, batch.micro_batches, **watching))
    first, resumed = experiment.step, experiment.resumed_from
    # Only now it is certain that config and checkpoint match.
    _save_config(checked.config, checked.model_dir, is_resumed=bool(resumed))
    _log_start(checked, experiment)
    report = TrainingReport(
        model_dir=str(checked.model_dir),
        checkpoint=resumed or "",
        first_step=first,
        last_step=first,
        reason=_DONE,
        losses={},
        devices=devices,
        pipeline_config=str(checked.pipeline_config),
        worker=workers.index,
    )
    if first >= checked.num_steps and not owes_evaluation(experiment):
        return report
    with contextlib.ExitStack() as kept:
        with explained_worker_errors(checked.cluster, lambda: 0, lambda: None):
            kept.enter_context(cached_images(experiment, options.cache, checked.num_steps, log))
        outcome = _run(checked, experiment, batch, devices, record_filter)
    report.checkpoint, report.last_step = experiment.checkpoints.latest_checkpoint, experiment.step
    report.reason, report.losses, report.is_early = outcome.reason, outcome.logs, experiment.step < checked.num_steps
    report.bad_records, report.bad_boxes = record_filter.bad_records if record_filter else [], bad_boxes.images
    report.summary = summarize(experiment, checked.pipeline_config, options.patience, options.min_delta)
    for said in (summary(report.bad_records) if report.bad_records else "", bad_boxes.summary()):
        if said:
            log(said)
    return report


def _as_the_chief(checked: CheckedRun, workers: Workers) -> CheckedRun:
    """The run with the chief's seed. Raises OdtkError on all workers if one has another config, records or versions."""
    if workers.count == 1:
        return checked
    info = run_info(checked.config, checked.model_dir, checked.num_steps, checked.seed)
    workers.require_equal(facts(checked.config, checked.options, info))
    seed = workers.chiefs(checked.seed)
    tf_keras.utils.set_random_seed(seed)
    return replace(checked, seed=seed)


def _with_batch(
    checked: CheckedRun, strategy: tf.distribute.Strategy, build_task: Callable[..., DetectionTask]
) -> tuple[CheckedRun, Batch]:
    """The run with the batch that its options ask for or that fits, which `log` is told."""
    info = run_info(checked.config, checked.model_dir, checked.num_steps, checked.seed)
    choice = BatchChoice(
        config=checked.config,
        options=checked.options,
        finds_size=checked.finds_batch,
        num_records=info.num_records,
        strategy=strategy,
        devices=with_memory(devices_of(strategy)),
        build_task=build_task,
        log=checked.log,
    )
    config, batch = choose_batch(choice)
    if choice.needs_trials:  # the initial weights are those of a run that was given these numbers
        tf_keras.utils.set_random_seed(checked.seed)
    checked.log(batch_line(config, checked.config_in_file, batch))
    return replace(checked, config=config), batch


def _build_task(checked: CheckedRun, precision: str, config, micro_batches: int, **watching) -> DetectionTask:
    """`watching`: what stands beside the run's data: collectors of bad records and boxes, the image cache."""
    options, log = checked.options, checked.log
    return DetectionTask(
        config,
        checked.seed,
        lambda report: log(describe_restore(report)),
        options.reuse_head_weights,
        deterministic=options.deterministic or options.seed is not None,
        precision=precision,
        xla=options.xla,
        micro_batches=micro_batches,
        **watching,
    )


def _build(checked: CheckedRun, strategy: tf.distribute.Strategy, workers: Workers, task: DetectionTask) -> Experiment:
    options, log = checked.options, checked.log
    return build_experiment(
        task,
        strategy,
        run_info(checked.config, checked.model_dir, checked.num_steps, checked.seed),
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        schedule=build_schedule(options, checked.num_steps, checked.can_evaluate, log),
        eval_images=options.eval_images,
        best_metric=options.best_metric,
        max_bad_records=options.max_bad_records,
        # Of several workers none can leave out what the others take part in.
        must_evaluate=bool(options.needs_evaluations) or workers.count > 1,
        loggers=build_loggers(options, log) if workers.is_chief else [],
        times=checked.times,
        write=checked.write,
        log=log,
        workers=workers,
    )


def _log_start(checked: CheckedRun, experiment: Experiment) -> None:
    log = checked.log
    if experiment.resumed_from:
        log(f"Resuming from {experiment.resumed_from}, step {experiment.step}.")
    if experiment.new_slots:
        log(f"It was trained with another optimizer; this one's {', '.join(experiment.new_slots)} start from scratch.")
    if experiment.model.frozen_keys:
        log(_described_frozen(experiment))
    if warning := little_space(experiment, checked.options.keep):
        log(f"warning: {warning}")


def _described_frozen(experiment: Experiment) -> str:
    variables, trained = experiment.model.variables, experiment.model.trainable_variables
    frozen = 1 - count_weights(trained) / count_weights(variables)
    return f"Frozen: {frozen:.0%} of the weights; {len(trained)} of {len(variables)} variables are trained."


def _run(
    checked: CheckedRun,
    experiment: Experiment,
    batch: Batch,
    devices: list[str],
    record_filter: RecordFilter | None,
) -> Outcome:
    """Trains; however it ends, run.json says so, and the errors are explained."""
    options, config, filename = checked.options, checked.config, checked.pipeline_config
    step = lambda: experiment.step  # noqa: E731
    batch_now = lambda: replace(batch, micro_batches=experiment.task.micro_batches)  # noqa: E731
    with (
        recording(
            filename,
            checked.model_dir,
            options,
            config,
            checked.seed,
            devices,
            batch_now,
            step,
            checked.write,
            experiment.task.precision,
        ) as session,
        explained_errors(experiment, checked.num_steps, config, filename),
        explained_write_errors(experiment, command_line(filename, checked.model_dir, options)),
        explained_worker_errors(checked.cluster, step, lambda: last_saved_step(experiment)),
    ):
        limits = build_limits(options, checked.should_stop, checked.started, record_filter)
        checked.times.move(checked.times.total, OTHER, STARTING)
        try:
            experiment.pace.ends_at_logs = bool(
                checked.callbacks
            )  # the user's own are called at each row, as they were told
            callbacks = build_callbacks(options, checked.callbacks, limits, checked.log, experiment.workers.is_chief)
            outcome = run(experiment, checked.num_steps, callbacks, checked.log)
        except BaseException:
            log_unfinished(experiment, checked.log)
            raise
        finally:
            session.skipped_steps = experiment.trainer.skipped_steps
        session.reason = outcome.reason
    return outcome


def _prepare_process(checked: CheckedRun) -> tuple[Workers, tf.distribute.Strategy]:
    """Sets up TensorFlow; the devices first, because it cannot be kept to some once it computes."""
    options, log = checked.options, checked.log
    workers, strategy = _connected(checked) if checked.cluster is not None else (ALONE, _own_strategy(checked))
    keep_freed_memory()
    log(device_line(checked.config, with_memory(devices_of(strategy))))
    tf_keras.utils.set_random_seed(checked.seed)
    if options.deterministic:
        use_deterministic_operations()
    return workers, strategy


def _own_strategy(checked: CheckedRun) -> tf.distribute.Strategy:
    options, size = checked.options, None
    if options.batch_size != AUTO:
        parts = 1 if options.accumulate == AUTO else int(options.accumulate)
        size = checked.config.train_config.batch_size // parts
    return build_strategy(options.devices, options.tpu, size, checked.log)


def _connected(checked: CheckedRun) -> tuple[Workers, tf.distribute.Strategy]:
    assert checked.cluster is not None
    names = use_only(find_chosen(checked.options.devices))
    workers = connect(checked.cluster, checked.announce, any(name.startswith("GPU") for name in names))
    return workers, workers.strategy


def _save_config(config, model_dir: str | os.PathLike, is_resumed: bool) -> None:
    files.write_text(files.join(model_dir, "pipeline.config"), pipeline.format(config))
    name = config.train_input_reader.label_map_path
    # A map without some trained classes would no longer define the meaning of their outputs.
    if name and not (is_resumed and trained_classes.lacks_trained_classes(model_dir, name)):
        text = prototext.read_text(label_map.find(name), "a label map", LabelMapError)
        files.write_text(files.join(model_dir, LABEL_MAP), text)
