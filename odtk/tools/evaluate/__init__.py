"""Evaluates a detector, trained, exported or known by its detections alone: metrics, and where it is wrong."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from odtk import atomic, files
from odtk.errors import DataError, OdtkError, OutputError
from odtk.evaluation.analysis.matching import match_images
from odtk.evaluation.analysis.self_check import self_check
from odtk.evaluation.groundtruth import Groundtruth
from odtk.evaluation.output_folder import default_output
from odtk.exporting.open_model import TRAINED
from odtk.tools.arguments import require_one_of, require_whole
from odtk.tools.evaluate.measurement import Measurement, Settings
from odtk.tools.evaluate.output_files import REPORT, check_output, write_measurement
from odtk.tools.evaluate.report import EvaluationReport
from odtk.tools.evaluate.sources import ALL, RESULTS, Source, find_source
from odtk.tools.evaluate.truths import RecordsTruth, find_truth

__all__ = ["EvaluationReport", "evaluate"]

FLOAT32 = "float32"

Place: TypeAlias = str | os.PathLike | None


def evaluate(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    *,
    groundtruth: str | os.PathLike | None = None,
    label_map: str | os.PathLike | None = None,
    compare: str | os.PathLike | None = None,
    report: bool = True,
    export_suspects: str | os.PathLike | None = None,
    output: str | os.PathLike | None = None,
    max_bad_records: int = 100,
    precision: str = "float32",
    devices: str = "auto",
    tpu: str | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> EvaluationReport:
    """Evaluates a model against the records of its config's first eval_input_reader, or against `groundtruth`.

    `model_dir` is a model dir, a checkpoint's prefix, an exported model (odtk's or TFOD's), or a JSON file with COCO
    results of any tool; given alone, as the first argument, it has a pipeline.config of its own, or needs none.
    `checkpoint` is "best" (by the evaluations while it was trained), "last", "all" or a prefix; None for the best where
    there is one, else the last. "all" measures each, and explains the best. `groundtruth` is records (file, glob,
    folder), a COCO JSON, the folder of an annotated dataset, or a config with records; its classes and the model's meet
    by name. `label_map` names the classes of `model_dir`, and of records that have no label map. `compare` is another
    model, on the same images. `precision` is what the network computes in ("auto" chooses as for training), `devices`
    what on, a batch on each; or the cores of `tpu` ("local", a Cloud TPU's name, grpc://HOST:PORT). `log` is told which
    weights it is.

    Writes into `output` (None: eval in the model dir, or NAME-eval beside an exported model or a file) metrics.json
    (name to value, null for NaN), classes.json, detections.json (COCO results) and, with `report`, report.html with a
    folder of the same as files; of a checkpoint also TensorBoard's scalars; `export_suspects` is a CSV of suspected
    label errors. Up to `max_bad_records` records that cannot be used are skipped, and `log` is called for each; with 0,
    the first one raises. Boxes that cannot be used are skipped. Raises ConfigError, CheckpointError or DataError if
    something given cannot be used.
    """
    require_whole(0, max_bad_records=max_bad_records)
    require_one_of(("auto", FLOAT32, "float16", "bfloat16"), precision=precision)
    given = (None, pipeline_config) if model_dir is None else (pipeline_config, model_dir)
    source = find_source(given[1], given[0], checkpoint)
    other_source = None if compare is None else find_source(compare, argument="compare")
    names = None if label_map is None else os.fspath(label_map)
    settings = Settings(names, max_bad_records, precision, devices, tpu, log)
    truth = find_truth(groundtruth, source, names)
    _refuse_what_does_nothing(source, truth, settings)
    folder = default_output(source.path) if output is None else os.fspath(output)
    check_output(folder, report)
    _check_suspects(export_suspects, files.join(folder, REPORT) if report else None)
    other, other_settings = None, replace(settings, label_map=None)
    if other_source is not None and other_source.kind == RESULTS:
        # Before anything is written: it may be the file of the last evaluation, which this one replaces.
        other = _measure(other_source, truth, other_settings)
    measured = _measure(source, truth, settings)
    results = measured.evaluation.results
    assert results is not None
    check = self_check(results, measured.new_evaluators)
    for finding in check.findings:
        log(str(finding))
    written = write_measurement(folder, measured)  # before more work, which may fail
    if export_suspects is not None:
        from odtk.evaluation.analysis.suspects import find_suspects, write_suspects

        write_suspects(export_suspects, find_suspects(results, match_images(results.images)), results)
        written = replace(written, suspects_path=files.as_path(export_suspects))
    if not report and other_source is None:
        return written
    # What explains needs time, to import as well.
    from odtk.evaluation.analysis.evidence import Commands
    from odtk.tools.evaluate.explaining import explain_measured
    from odtk.tools.evaluate.report_files import SUSPECTS, write_report

    if other_source is not None and other is None:
        other = _measure(other_source, truth, other_settings)
    for note in () if other is None else other.notes:
        log(f"warning: {note}")
    model = None if source.kind == RESULTS else source.path if checkpoint is None else measured.checkpoint
    suspects = export_suspects or (files.join(folder, SUSPECTS) if report else None)
    commands = Commands(source.config_path, model, None if suspects is None else os.fspath(suspects))
    explanation = explain_measured(_target(given, checkpoint, groundtruth, label_map), commands, measured, other, check)
    if not report:
        return replace(written, explanation=explanation)
    made = write_report(folder, explanation, results)
    return replace(written, explanation=explanation, report_path=made.page, thresholds_path=made.thresholds)


def _check_suspects(path: Place, replaced: str | None) -> None:
    """Raises OutputError if the list of suspects cannot be written to `path`, or is in a folder that is `replaced`."""
    if path is None:
        return
    if not files.is_remote(path):
        atomic.check_file(path)
    if replaced is not None and f"{os.path.realpath(path)}/".startswith(f"{os.path.realpath(replaced)}/"):
        raise OutputError(
            f"{os.fspath(path)} is in {replaced}, whose content the report replaces. Choose another place; the report "
            "has a list of its own there, suspects.csv.",
            argument="export_suspects",
        )


def _refuse_what_does_nothing(source: Source, truth: RecordsTruth | Groundtruth, settings: Settings) -> None:
    """Raises OdtkError for options of checkpoints on records that are given for something else."""
    if source.kind == TRAINED and isinstance(truth, RecordsTruth):
        if settings.label_map is not None and not truth.is_named_by_label_map:
            raise OdtkError(
                f"{truth.config.eval_input_reader[0].label_map_path} names the classes of {truth.name} and of the "
                "model; another label map would do nothing. Leave it out.",
                argument="label_map",
            )
        return
    what = f"{source.path} is evaluated on {truth.name}"
    if settings.precision != FLOAT32:
        raise OdtkError(
            f"{what} as it is; another precision can be chosen for a checkpoint that is evaluated on records.",
            argument="precision",
        )
    if source.kind == RESULTS and settings.devices != "auto":
        raise OdtkError(f"{source.path} has been detected already: there is nothing to compute.", argument="devices")
    if settings.tpu is not None:
        raise OdtkError(f"{what} on this machine; a TPU evaluates checkpoints on records.", argument="tpu")
    if source.checkpoint == ALL:
        raise OdtkError(
            f"{what}; all checkpoints can be evaluated on records alone. Choose one, or give records.",
            argument="checkpoint",
        )


def _measure(source: Source, truth: RecordsTruth | Groundtruth, settings: Settings) -> Measurement:
    """Measures one model; TensorFlow is imported here where it is needed."""
    if isinstance(truth, Groundtruth):
        from odtk.tools.evaluate.on_images import measure_images

        measured = measure_images(source, truth, settings)
    elif source.kind == TRAINED:
        from odtk.tools.evaluate.trained import measure_trained

        measured = measure_trained(source, truth, settings)
    else:
        from odtk.tools.evaluate.on_records import measure_on_records

        measured = measure_on_records(source, truth, settings)
    if not measured.evaluation.num_images:
        path = truth.config_path if isinstance(truth, RecordsTruth) else None
        where = truth.name if path is None else f"The eval_input_reader of {path}"
        raise DataError(f"{where} has no image. Set it to records with images.")
    return measured


def _target(given: Iterable[Place], checkpoint: Place, groundtruth: Place, label_map: Place) -> str:
    """The words behind `odtk evaluate` that evaluate the same again."""
    options = {"--checkpoint": checkpoint, "--groundtruth": groundtruth, "--label-map": label_map}
    words = [os.fspath(each) for each in given if each is not None]
    for option, value in options.items():
        words += [] if value is None else [option, os.fspath(value)]
    return shlex.join(words)
