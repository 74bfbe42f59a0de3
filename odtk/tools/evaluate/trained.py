"""Measures a checkpoint, or all of a model dir, on records: with losses, and on whatever devices there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from odtk import files
from odtk.checkpoints.best import choose_checkpoint, read_best
from odtk.checkpoints.files import prefixes_in
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.trained import build_trained_detector
from odtk.devices import keep_freed_memory
from odtk.errors import CheckpointError, DamagedCheckpointError, LabelMapError
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.scoring import Evaluation
from odtk.exporting.open_model import read_config
from odtk.findings import WARNING
from odtk.layers.precision import FLOAT32
from odtk.progress import track
from odtk.protos import pipeline_pb2
from odtk.tools.check_config import require_valid
from odtk.tools.evaluate.explanation import CheckpointMetrics
from odtk.tools.evaluate.measurement import Measurement, Settings
from odtk.tools.evaluate.sources import ALL, Source
from odtk.tools.evaluate.truths import RecordsTruth
from odtk.tools.trained_classes import require_trained_classes
from odtk.training.precision import choose_precision
from odtk.training.strategy import build_strategy, devices_of


def measure_trained(source: Source, truth: RecordsTruth, settings: Settings) -> Measurement:
    """The metrics and losses of one checkpoint; with ALL those of the best, and the metrics of each.

    The best is the one with the highest first metric. Raises ConfigError, CheckpointError or DataError if config,
    checkpoint or records cannot be used.
    """
    assert source.config_path is not None  # find_source has seen to it
    config = _config(source.config_path, truth)
    if truth.config_path is None:  # before the config is checked, which is not to blame for other records' classes
        chosen_prefix = choose_checkpoint(source.path, None if source.checkpoint == ALL else source.checkpoint)
        _require_trained_classes(chosen_prefix, truth)
    for finding in require_valid(config, source.config_path, needs=("eval",)):
        if finding.severity == WARNING:
            settings.log(str(finding))
    prefixes = _all_prefixes(source.path) if source.checkpoint == ALL else []
    strategy = build_strategy(settings.devices, settings.tpu)
    keep_freed_memory()
    chosen = choose_precision(settings.precision, config, devices_of(strategy))
    if settings.precision != FLOAT32:
        settings.log(chosen.line)
    with strategy.scope():
        # Of all checkpoints it is any that can be used: each is restored in its turn.
        first, log = (None, lambda line: None) if prefixes else (source.checkpoint, settings.log)
        detector, reader = build_trained_detector(config, source.path, first, log, "Evaluating", chosen.precision)
        for note in _require_trained_classes(reader.prefix, truth):
            settings.log(f"warning: {note}")
        measured = ConfiguredEvaluation(config, detector, max_bad_records=settings.max_bad_records, log=settings.log)
    if not prefixes:
        evaluation = _run(measured, "Evaluating")
        return _measurement(reader, truth, measured, evaluation)
    slot = "average" if config.eval_config.use_moving_averages else None
    variables = detector.checkpoint_variables()
    return _measure_all(prefixes, lambda each: restore(variables, each, slot=slot), truth, measured, settings.log)


def _config(path: str, truth: RecordsTruth) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The model's own config, with the groundtruth's records and what is measured on them."""
    config = read_config(path)
    if truth.config_path == path:
        return config
    own = pipeline_pb2.TrainEvalPipelineConfig()
    own.CopyFrom(config)
    del own.eval_input_reader[:]
    own.eval_input_reader.extend(truth.config.eval_input_reader[:1])
    for name in ("metrics_set", "super_categories"):
        own.eval_config.ClearField(name)
    own.eval_config.metrics_set.extend(truth.config.eval_config.metrics_set)
    own.eval_config.super_categories.update(truth.config.eval_config.super_categories)
    for name in ("include_metrics_per_category", "all_metrics_per_category"):
        setattr(own.eval_config, name, getattr(truth.config.eval_config, name))
    return own


def _require_trained_classes(prefix: str, truth: RecordsTruth) -> list[str]:
    """See require_trained_classes; of records that no config names, the label map cannot be set."""
    path = truth.config.eval_input_reader[0].label_map_path
    if truth.config_path is not None:
        return require_trained_classes(prefix, path, "eval_input_reader[0]", truth.config_path)
    try:
        return require_trained_classes(prefix, path, "the label map", truth.name)
    except LabelMapError as error:
        raise LabelMapError(
            f"{path}, the label map of {truth.name}, numbers other classes than that of the checkpoint {prefix}, and "
            "the losses of a checkpoint need the same numbers. Export the model and evaluate the export: its "
            "classes and those of the records meet by name.",
            argument="groundtruth",
        ) from error


def _run(measured: ConfiguredEvaluation, title: str, compiles: bool = True) -> Evaluation:
    note = "compiling the model" if compiles else ""
    with track(title, measured.num_images, "images", compiles=compiles, note=note) as progress:
        return measured.run(progress.advance, collect=True)


def _measurement(
    reader: CheckpointReader,
    truth: RecordsTruth,
    measured: ConfiguredEvaluation,
    evaluation: Evaluation,
    curve: Sequence[CheckpointMetrics] = (),
) -> Measurement:
    return Measurement(
        model=reader.prefix,
        groundtruth=truth.name,
        evaluation=evaluation,
        new_evaluators=measured.new_evaluators,
        checkpoint=reader.prefix,
        step=reader.step,
        bad_records=measured.bad_records,
        bad_boxes=measured.bad_boxes,
        curve=curve,
    )


def _all_prefixes(model_dir: str) -> list[str]:
    """The checkpoints of a model dir in the order of their steps, with the best one if its step is none of theirs."""
    if not files.is_folder(model_dir):
        raise CheckpointError(
            f"{model_dir} is one checkpoint. To evaluate all of a training, give its model dir.", argument="checkpoint"
        )
    best = read_best(model_dir)
    steps = {_step(prefix): prefix for prefix in reversed(prefixes_in(model_dir))}
    if best is not None:
        steps.setdefault(best.step, best.prefix)
    if not steps:
        raise CheckpointError(f"{model_dir} holds no checkpoint. Train first, or choose another folder.")
    return [steps[step] for step in sorted(steps, key=lambda step: -1 if step is None else step)]


def _step(prefix: str) -> int | None:
    try:
        return CheckpointReader(prefix).step
    except CheckpointError:
        return None  # what restores it says why


def _measure_all(
    prefixes: Sequence[str],
    restore_from: Callable[[CheckpointReader], object],
    truth: RecordsTruth,
    measured: ConfiguredEvaluation,
    log: Callable[[str], None],
) -> Measurement:
    """Measures each checkpoint; those that are damaged are passed over, with a line."""
    curve: list[CheckpointMetrics] = []
    best: tuple[float, CheckpointReader, Evaluation] | None = None
    for number, prefix in enumerate(prefixes, 1):
        try:
            reader = CheckpointReader(prefix)
            restore_from(reader)
        except DamagedCheckpointError as error:
            log(f"warning: {error} It is passed over.")
            continue
        evaluation = _run(measured, f"Checkpoint {number} of {len(prefixes)}", compiles=not curve)
        curve.append(CheckpointMetrics(prefix, reader.step, evaluation.metrics))
        first = next(iter(evaluation.metrics.values()))
        if best is None or (first if math.isfinite(first) else -math.inf) > best[0]:
            best = (first if math.isfinite(first) else -math.inf), reader, evaluation
    if best is None:
        raise DamagedCheckpointError(f"None of the {len(prefixes)} checkpoints can be used.")
    if len(curve) > 1:
        log(f"The best of {len(curve)} checkpoints on these images is {best[1].prefix}; what follows is about it.")
    return _measurement(best[1], truth, measured, best[2], curve)
