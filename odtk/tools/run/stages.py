"""The stages as calls of the tools: what is called, what is said of the result, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from odtk.findings import NOTE

Arguments = Mapping[str, Any]
WatchForStop = Callable[[], AbstractContextManager[Callable[[], "str | None"]]]


@dataclass(frozen=True)
class Call:
    """How a stage is run."""

    arguments: Arguments
    overwrite: bool
    """Whether what its outputs replace was written by the run."""
    log: Callable[[str], None]
    watch_for_stop: WatchForStop
    """Makes what training asks about once per second whether to stop."""


@dataclass(frozen=True)
class RunStage:
    """One stage. `revision` is raised when it makes something else of the same inputs: earlier outputs expire."""

    run: Callable[[Call], Any]
    results: Callable[[Any], dict[str, Any]]
    """What is recorded of the tool's report: a few numbers."""
    notes: Callable[[Any], Iterator[str]] = lambda report: iter(())
    """What the command would say of the report besides: warnings, for one."""
    revision: int = 1
    replaces: bool = True
    """Whether its tool takes `overwrite`."""


# The tools are imported when they run, as some import TensorFlow.


def _make_tfrecords(call: Call):
    from odtk.tools.make_tfrecords import make_tfrecords

    return make_tfrecords(**call.arguments, overwrite=call.overwrite)


def _configure(call: Call):
    from odtk.tools.configure import configure

    return configure(**call.arguments, overwrite=call.overwrite)


def _train(call: Call):
    from odtk.tools.train import train

    with call.watch_for_stop() as should_stop:
        return train(**call.arguments, log=call.log, should_stop=should_stop)


def _evaluate(call: Call):
    from odtk.tools.evaluate import evaluate

    return evaluate(**call.arguments, log=call.log)


def _export(call: Call):
    from odtk.tools.export import export

    return export(**call.arguments, overwrite=call.overwrite, log=call.log)


def _predict(call: Call):
    from odtk.tools.predict import predict

    return predict(**call.arguments, overwrite=call.overwrite, log=call.log)


def _conversion_notes(report) -> Iterator[str]:
    if report.skipped:
        yield f"warning: {len(report.skipped)} images were skipped; {report.output_dir}/dataset.json says why."
    if report.repaired:
        yield f"note: {len(report.repaired)} images were repaired; {report.output_dir}/dataset.json says how."
    yield from (f"warning: {warning}" for warning in report.warnings)


def _config_notes(report) -> Iterator[str]:
    yield from report.notes
    yield from (str(finding) for finding in report.findings if finding.severity != NOTE)


def _evaluation_notes(report) -> Iterator[str]:
    for count, what in (
        (len(report.bad_records), "bad records"),
        (len(report.bad_boxes), "images' bad boxes"),
        (report.repeated_images, "images that repeat an earlier image's source_id"),
    ):
        if count:
            yield f"warning: the metrics leave out {count} {what}."
    yield from (f"warning: {note}" for note in report.notes)


def _export_notes(report) -> Iterator[str]:
    if report.certificate:
        yield from report.certificate.lines()
    yield from (f"note: {note}" for note in report.notes())
    if report.label_map_note:
        yield f"warning: {report.label_map_note}"
    if report.label_map is None:
        yield "warning: no label map was found, so predictions will show class numbers instead of names."


def _prediction_notes(report) -> Iterator[str]:
    yield from (f"warning: skipped {path}: {reason}" for path, reason in report.skipped)
    yield from (f"note: only the first of the {frames} frames of {path} was used." for path, frames in report.animated)
    yield from (f"note: {note}" for note in report.notes)


def _training_results(report) -> dict[str, Any]:
    summary = report.summary
    results = {"step": report.last_step} | ({"ended as": report.reason} if report.is_early else {})
    if summary is not None and summary.best_step is not None:
        name = summary.best_metric.rpartition("/")[2]
        results |= {"best step": summary.best_step, f"best {name}": summary.best_metrics.get(summary.best_metric)}
    return results


def has_more_to_do(report) -> bool:
    """Whether a training ended early as it had no more time, so that it goes on when it is called again."""
    from odtk.training.times import is_time_limit

    return report.is_early and is_time_limit(report.reason)


def _short(metrics: Mapping[str, float]) -> dict[str, float]:
    """COCO's main metrics under the ends of their names, or whatever there is."""
    prefix = "DetectionBoxes_Precision/"
    main = {
        name.removeprefix(prefix): metrics[name] for name in (f"{prefix}mAP", f"{prefix}mAP@.50IOU") if name in metrics
    }
    return main or dict(metrics)


RUN_STAGES: dict[str, RunStage] = {
    "make-tfrecords": RunStage(
        _make_tfrecords,
        lambda report: {"images": report.written, "skipped": len(report.skipped)},
        _conversion_notes,
    ),
    "configure": RunStage(_configure, lambda report: {"changed fields": len(report.changes)}, _config_notes),
    "train": RunStage(_train, _training_results, replaces=False),
    "evaluate": RunStage(
        _evaluate,
        lambda report: {"images": report.num_images, **_short(report.summary)},
        _evaluation_notes,
        revision=2,
        replaces=False,
    ),
    "export": RunStage(_export, lambda report: {"step": report.step}, _export_notes),
    "predict": RunStage(
        _predict, lambda report: {"images": report.num_images, "boxes": report.num_boxes}, _prediction_notes
    ),
}
"""By name. A change of what a stage makes of the same inputs raises its revision here."""
