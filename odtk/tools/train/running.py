"""The part of `odtk train` that needs TensorFlow: builds a run whose config is checked, trains, and reports."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tf_keras

from odtk import files, label_map, pipeline, prototext
from odtk.devices import keep_freed_memory, prepare_gpus, use_deterministic_operations
from odtk.errors import LabelMapError
from odtk.inputs.bad_boxes import BadBoxes
from odtk.inputs.bad_records import BadRecordFilter, summary
from odtk.layers.precision import FLOAT32
from odtk.protos import pipeline_pb2
from odtk.retrying import Writes
from odtk.tools import trained_classes
from odtk.tools.train.checks import without_gpu
from odtk.tools.train.explained_errors import explained_errors
from odtk.tools.train.explained_write_errors import explained_write_errors, little_space
from odtk.tools.train.options import AUTO, TrainingOptions, command_line
from odtk.tools.train.parts import build_callbacks, build_limits, build_loggers, build_schedule, run_info
from odtk.tools.train.report import TrainingReport
from odtk.tools.train.restore_table import describe_restore
from odtk.tools.train.run_record import recording
from odtk.tools.train.run_summary import log_unfinished, summarize
from odtk.training.build import build_experiment
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.freezing import count_weights
from odtk.training.loop import Outcome, owes_evaluation, run
from odtk.training.strategy import build_strategy
from odtk.training.task import DetectionTask
from odtk.training.times import OTHER, STARTING, Times

_DONE = "all steps were done before"


@dataclass(frozen=True)
class CheckedRun:
    """What is to be trained, and how; the config is checked."""

    pipeline_config: str | os.PathLike
    model_dir: str | os.PathLike
    options: TrainingOptions
    config: pipeline_pb2.TrainEvalPipelineConfig
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


def train_checked(checked: CheckedRun) -> TrainingReport:
    """Trains to the last step, or to where something ends it."""
    options, log = checked.options, checked.log
    devices = _prepare_process(checked.config, checked.seed, options.deterministic, log)
    record_filter = BadRecordFilter(options.max_bad_records, log) if options.max_bad_records else None
    bad_boxes = BadBoxes(log)
    experiment = _build(checked, record_filter, bad_boxes)
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
    )
    if first >= checked.num_steps and not owes_evaluation(experiment):
        return report
    outcome = _run(checked, experiment, devices, record_filter)
    report.checkpoint, report.last_step = experiment.checkpoints.latest_checkpoint, experiment.step
    report.reason, report.losses, report.is_early = outcome.reason, outcome.logs, experiment.step < checked.num_steps
    report.bad_records, report.bad_boxes = record_filter.bad_records if record_filter else [], bad_boxes.images
    report.summary = summarize(experiment, checked.pipeline_config, options.patience, options.min_delta)
    for said in (summary(report.bad_records) if report.bad_records else "", bad_boxes.summary()):
        if said:
            log(said)
    return report


def _build(checked: CheckedRun, record_filter: BadRecordFilter | None, bad_boxes: BadBoxes) -> Experiment:
    options, log = checked.options, checked.log
    task = DetectionTask(
        checked.config,
        checked.seed,
        lambda report: log(describe_restore(report)),
        options.reuse_head_weights,
        record_filter,
        bad_boxes,
        deterministic=options.deterministic or options.seed is not None,
        precision=FLOAT32 if options.precision == AUTO else options.precision,
        xla=options.xla,
        micro_batches=1 if options.accumulate == AUTO else int(options.accumulate),
    )
    return build_experiment(
        task,
        build_strategy(),
        run_info(checked.config, checked.model_dir, checked.num_steps, checked.seed),
        checkpoint_every=options.checkpoint_every,
        keep=options.keep,
        log_every=options.log_every,
        schedule=build_schedule(options, checked.num_steps, checked.can_evaluate, log),
        eval_images=options.eval_images,
        best_metric=options.best_metric,
        max_bad_records=options.max_bad_records,
        must_evaluate=bool(options.needs_evaluations),
        loggers=build_loggers(options, log),
        times=checked.times,
        write=checked.write,
        log=log,
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
    checked: CheckedRun, experiment: Experiment, devices: list[str], record_filter: BadRecordFilter | None
) -> Outcome:
    """Trains; however it ends, run.json says so, and the errors are explained."""
    options, config, filename = checked.options, checked.config, checked.pipeline_config
    step = lambda: experiment.step  # noqa: E731
    with (
        recording(filename, checked.model_dir, options, config, checked.seed, devices, step, checked.write) as session,
        explained_errors(experiment, checked.num_steps, config, filename),
        explained_write_errors(experiment, command_line(filename, checked.model_dir, options)),
    ):
        limits = build_limits(options, checked.should_stop, checked.started, record_filter)
        checked.times.move(checked.times.total, OTHER, STARTING)
        try:
            outcome = run(
                experiment, checked.num_steps, build_callbacks(options, checked.callbacks, limits, checked.log)
            )
        except BaseException:
            log_unfinished(experiment, checked.log)
            raise
        session.reason = outcome.reason
    return outcome


def _prepare_process(config, seed: int, deterministic: bool, log: Callable[[str], None]) -> list[str]:
    """Sets up TensorFlow; returns the names of the GPUs."""
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
