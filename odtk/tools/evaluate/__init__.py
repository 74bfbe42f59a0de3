"""Evaluates a trained detector on the config's evaluation records: metrics and losses, to a file and TensorBoard."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk import atomic, files, pipeline
from odtk.detectors.trained import build_trained_detector
from odtk.devices import keep_freed_memory
from odtk.errors import DataError
from odtk.evaluation.build import DEFAULT_MAX_BAD_RECORDS, ConfiguredEvaluation
from odtk.evaluation.run import Evaluation
from odtk.findings import WARNING
from odtk.inputs.skipped_records import BadRecord
from odtk.layers.precision import FLOAT32, PRECISIONS
from odtk.progress import track
from odtk.records.box_errors import ImageWithBadBoxes
from odtk.tools.arguments import require_one_of, require_whole
from odtk.tools.check_config import require_valid
from odtk.tools.trained_classes import require_trained_classes
from odtk.training.loggers.event_files import add_measurement
from odtk.training.precision import AUTO, choose_precision
from odtk.training.strategy import build_strategy, devices_of


@dataclass(frozen=True)
class EvaluationReport:
    """The results, what they were measured on, and where they are written."""

    metrics: dict[str, float]  # TFOD's name to value: each metrics set of the config, then the losses
    num_images: int
    repeated_images: int  # ignored, because an earlier image had the same source_id
    checkpoint: Path | str  # prefix; a str in a store, as other paths
    step: int | None  # None if the checkpoint does not have it
    metrics_path: Path | str
    classes: Sequence[dict] = ()  # of the first metrics set: id, name, images, boxes, AP of each class
    classes_path: Path | str | None = None  # the same as a file
    bad_records: Sequence[BadRecord] = ()  # left out
    bad_boxes: Sequence[ImageWithBadBoxes] = ()  # images that are evaluated without some of their boxes
    losses: Mapping[str, float] = field(default_factory=dict)  # the metrics that are losses
    meanings: Mapping[str, str] = field(default_factory=dict)  # of each metric of `summary`

    @property
    def summary(self) -> dict[str, float]:
        """The metrics and losses, without those of a single class or super-category."""
        return {name: value for name, value in self.metrics.items() if name in self.meanings}


def evaluate(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
    precision: str = "float32",
    devices: str = "auto",
    tpu: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> EvaluationReport:
    """Evaluates a checkpoint of `model_dir` on the config's first eval_input_reader.

    `checkpoint` is "best" (by the evaluations while it was trained), "last" or a prefix; None for the best where there
    is one, else the last. `log` is told which it is. `precision` is what the network computes in ("auto" chooses as for
    training), `devices` what on, a batch on each; or the cores of `tpu` ("local", a Cloud TPU's name, grpc://HOST:PORT).

    Writes `model_dir`/eval/metrics.json (name to value, null for NaN), the same as TensorBoard scalars, and the results
    of each class as classes.json. Up to `max_bad_records` records that cannot be used are skipped, and `log` is called
    for each; with 0, the first one raises. Boxes that cannot be used are skipped. Raises ConfigError, CheckpointError
    or DataError if one of the three cannot be used.
    """
    require_whole(0, max_bad_records=max_bad_records)
    require_one_of((AUTO, *PRECISIONS), precision=precision)
    config = pipeline.read(pipeline_config)
    for finding in require_valid(config, pipeline_config, needs=("eval",)):
        if finding.severity == WARNING:
            log(str(finding))
    folder = files.join(model_dir, "eval")
    metrics_path, classes_path = files.join(folder, "metrics.json"), files.join(folder, "classes.json")
    if not files.is_remote(folder):
        atomic.check_file(metrics_path)
    strategy = build_strategy(devices, tpu)
    keep_freed_memory()
    chosen = choose_precision(precision, config, devices_of(strategy))
    if precision != FLOAT32:
        log(chosen.line)
    with strategy.scope():
        detector, reader = build_trained_detector(config, model_dir, checkpoint, log, "Evaluating", chosen.precision)
        map_path = config.eval_input_reader[0].label_map_path
        for note in require_trained_classes(reader.prefix, map_path, "eval_input_reader[0]", pipeline_config):
            log(f"warning: {note}")
        measured = ConfiguredEvaluation(config, detector, max_bad_records=max_bad_records, log=log)
    with track("Evaluating", measured.num_images, "images", compiles=True, note="compiling the model") as progress:
        evaluation = measured.run(progress.advance)
    if not evaluation.num_images:
        raise DataError(f"The eval_input_reader of {pipeline_config} has no image. Set it to records with images.")
    classes = _write(folder, evaluation, reader.step or 0)
    return EvaluationReport(
        metrics=evaluation.metrics,
        num_images=evaluation.num_images,
        repeated_images=evaluation.repeated_images,
        checkpoint=files.as_path(reader.prefix),
        step=reader.step,
        metrics_path=files.as_path(metrics_path),
        classes=classes,
        classes_path=files.as_path(classes_path),
        bad_records=measured.bad_records,
        bad_boxes=measured.bad_boxes,
        losses=evaluation.losses,
        meanings=evaluation.meanings,
    )


def _write(folder: str, evaluation: Evaluation, step: int) -> list[dict]:
    """Writes metrics.json, TensorBoard's scalars and classes.json; returns the classes as written there."""
    metrics, metrics_path = evaluation.metrics, files.join(folder, "metrics.json")
    files.write_text(metrics_path, json.dumps(without_nan(metrics), indent=2) + "\n")
    with atomic.answering(Path(folder), f"The metrics are in {metrics_path}, but not in TensorBoard's files."):
        add_measurement(folder, step, metrics)
    classes = [without_nan(each) for each in evaluation.classes]
    files.write_text(files.join(folder, "classes.json"), json.dumps(classes, indent=2, ensure_ascii=False) + "\n")
    return classes


def without_nan(metrics: dict) -> dict:
    """The metrics with None for NaN and infinity, which JSON does not have."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in metrics.items()}  # fmt: skip
