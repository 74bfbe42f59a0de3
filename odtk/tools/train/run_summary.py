"""What a run has come to: its best weights, where its time went and where everything lies."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from odtk import files
from odtk.checkpoints.best import FOLDER, read_best
from odtk.progress import as_clock
from odtk.training.callbacks.early_stopping import patience_in_words
from odtk.training.experiment import Experiment
from odtk.training.loggers.csv_files import read_evaluations, read_metrics
from odtk.training.loggers.csv_table import STEP

_CLASS = "AP/"
_PLACES = {
    "curves": ("results.png",),
    "numbers": ("metrics.csv", "evaluations.csv"),
    "pictures": ("batches/first.png", "evaluations"),
    "for TensorBoard": ("train", "eval"),
    "the run": ("run.json", "pipeline.config"),
}


@dataclass
class RunSummary:
    """The end of a run, for tables and JSON."""

    seconds: float
    times: dict[str, float]
    """Phase (see odtk.training.times) to seconds."""
    best_step: int | None = None
    best_checkpoint: str | None = None
    best_metric: str | None = None
    """The name of the metric by which it is best."""
    best_metrics: dict[str, float] = field(default_factory=dict)
    """Those of that evaluation, without the classes'."""
    best_classes: dict[str, float] = field(default_factory=dict)
    """Class to average precision in that evaluation."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """What there is in the model dir: its kind to paths."""
    early_stopping: str | None = None
    """A sentence: what early stopping saved, or would have saved and lost."""
    next: list[str] = field(default_factory=list)
    """Commands that make sense now."""


def summarize(
    experiment: Experiment, pipeline_config: str | os.PathLike, patience: int | None, min_delta: float
) -> RunSummary:
    """Reads the model dir of a run that has ended."""
    info = experiment.info
    summary = RunSummary(experiment.times.total, experiment.times.seconds, places=_places(info.model_dir))
    best = read_best(info.model_dir)
    if best:
        summary.best_step, summary.best_checkpoint, summary.best_metric = best.step, best.prefix, best.metric
        summary.best_metrics = {name: value for name, value in best.metrics.items() if not name.startswith(_CLASS)}
        summary.best_classes = {
            name.removeprefix(_CLASS): value for name, value in best.metrics.items() if name.startswith(_CLASS)
        }
    if experiment.best_metric:
        rows = read_evaluations(info.model_dir)
        summary.early_stopping = patience_in_words(
            rows, experiment.best_metric, info.num_steps, patience, min_delta, _seconds_at(info.model_dir)
        )
    paths = [os.fspath(pipeline_config), info.model_dir]
    evaluate, export = ["odtk", "evaluate", *paths], ["odtk", "export", *paths, "exported"]
    summary.next = [shlex.join(command) for command in (evaluate, export)]
    return summary


def log_unfinished(experiment: Experiment, log: Callable[[str], None]) -> None:
    """The short form, for a run that an error ends: what is left of it."""
    newest = experiment.checkpoints.latest_checkpoint
    if newest is None:
        return
    best = read_best(experiment.info.model_dir)
    parts = [f"newest checkpoint {newest}"]
    if best:
        parts.append(f"best {best.metric.rpartition('/')[2]} {best.value:.4g} at step {best.step:,}: {best.prefix}")
    log(f"Step {experiment.step:,} of {experiment.info.num_steps:,} after {times_in_words(experiment.times.seconds)}.")
    log(f"In {experiment.info.model_dir}: {'; '.join(parts)}.")


def times_in_words(seconds: dict[str, float]) -> str:
    """`12:40 (step 80%, evaluation 12%, compiling 5%)`: the total, and what took at least a hundredth of it."""
    total = max(sum(seconds.values()), 1e-9)
    shares = sorted(((value / total, name) for name, value in seconds.items()), reverse=True)
    words = ", ".join(f"{name} {share:.0%}" for share, name in shares if share >= 0.01)
    return f"{as_clock(total)} ({words})"


def _places(model_dir: str) -> dict[str, list[str]]:
    names = set(files.names_in(model_dir))
    there = {
        what: [files.join(model_dir, name) for name in places if name.partition("/")[0] in names]
        for what, places in {"best weights": (FOLDER,), **_PLACES}.items()
    }
    return {what: places for what, places in there.items() if places}


def _seconds_at(model_dir: str) -> Callable[[int], float | None]:
    rows = read_metrics(model_dir)

    def seconds_at(step: int) -> float | None:
        return next((row["seconds"] for row in rows if row[STEP] >= step and "seconds" in row), None)

    return seconds_at
