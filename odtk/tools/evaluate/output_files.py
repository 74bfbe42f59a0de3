"""The files of an evaluation: metrics, classes, detections, the curve over checkpoints, TensorBoard's scalars."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtk import atomic, files
from odtk.evaluation.coco_results import write_results
from odtk.tools.evaluate.measurement import Measurement
from odtk.tools.evaluate.report import EvaluationReport

if TYPE_CHECKING:
    from odtk.tools.evaluate.explanation import CheckpointMetrics

METRICS, CLASSES, DETECTIONS, CHECKPOINTS = "metrics.json", "classes.json", "detections.json", "checkpoints.csv"
REPORT = "report"
"""The folder of the report's files, whose content each report replaces."""
EXPLANATION = "explanation.json"
"""A report's first file, by which it is known as one."""
_OF_REPORTS = (EXPLANATION, "*.csv", "*.png")


def check_output(folder: str, report: bool = True) -> None:
    """Raises OutputError if nothing can be written to the folder; to be called before the work.

    With `report` also if the folder that it replaces is none of an earlier evaluation.
    """
    if not files.is_remote(folder):
        atomic.check_file(files.join(folder, METRICS))
    if report:
        beside = files.join(folder, REPORT)
        atomic.may_replace(beside, files.names_in(beside), _OF_REPORTS, EXPLANATION, overwrite=True)


def write_measurement(folder: str, measured: Measurement) -> EvaluationReport:
    """Writes metrics, classes, detections, the curve over checkpoints and, of a checkpoint, TensorBoard's scalars."""
    evaluation = measured.evaluation
    assert evaluation.results is not None
    metrics_path, classes_path, detections_path = (files.join(folder, name) for name in (METRICS, CLASSES, DETECTIONS))
    files.write_text(metrics_path, json.dumps(without_nan(evaluation.metrics), indent=2) + "\n")
    if measured.checkpoint is not None:
        _write_scalars(folder, metrics_path, evaluation.metrics, measured.step or 0)
    classes = [without_nan(each) for each in evaluation.classes]
    files.write_text(classes_path, json.dumps(classes, indent=2, ensure_ascii=False) + "\n")
    write_results(detections_path, evaluation.results)
    return EvaluationReport(
        metrics=evaluation.metrics,
        num_images=evaluation.num_images,
        repeated_images=evaluation.repeated_images,
        checkpoint=None if measured.checkpoint is None else files.as_path(measured.checkpoint),
        step=measured.step,
        metrics_path=files.as_path(metrics_path),
        classes=classes,
        classes_path=files.as_path(classes_path),
        bad_records=measured.bad_records,
        bad_boxes=measured.bad_boxes,
        losses=evaluation.losses,
        meanings=evaluation.meanings,
        model=measured.model,
        groundtruth=measured.groundtruth,
        notes=measured.notes,
        seconds=evaluation.seconds,
        detections_path=files.as_path(detections_path),
        checkpoints=measured.curve,
        checkpoints_path=files.as_path(_write_checkpoints(folder, measured.curve)) if measured.curve else None,
    )


def _write_scalars(folder: str, metrics_path: str, metrics: Mapping[str, float], step: int) -> None:
    from odtk.training.loggers.event_files import add_measurement

    with atomic.answering(Path(folder), f"The metrics are in {metrics_path}, but not in TensorBoard's files."):
        add_measurement(folder, step, dict(metrics))


def _write_checkpoints(folder: str, curve: Sequence[CheckpointMetrics]) -> str:
    """Writes a row for each checkpoint; returns where. A metric that is no number is empty."""
    names = list(dict.fromkeys(name for each in curve for name in each.metrics))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["checkpoint", "step", *names])
    for each in curve:
        values = (each.metrics.get(name, math.nan) for name in names)
        step = "" if each.step is None else each.step
        table.writerow([each.checkpoint, step, *(value if math.isfinite(value) else "" for value in values)])
    path = files.join(folder, CHECKPOINTS)
    files.write_text(path, text.getvalue())
    return path


def without_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics with None for NaN and infinity, which JSON does not have."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in metrics.items()}  # fmt: skip
