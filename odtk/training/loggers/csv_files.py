"""metrics.csv and evaluations.csv of a model dir: their loggers, and the readers of both."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

from odtk import files
from odtk.evaluation.run import Evaluation
from odtk.training.loggers.csv_table import STEP, CsvTable, read
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.run_info import RunInfo

METRICS = "metrics.csv"
EVALUATIONS = "evaluations.csv"

_LOSS = "Loss/"
_LAST = ("learning_rate", "gradient_norm")
_OF_FLOAT16 = ("loss_scale", "skipped_steps")


def read_metrics(model_dir: str | os.PathLike) -> list[dict[str, float]]:
    """The rows of metrics.csv by step, without cells that have no value; [] if there is no file."""
    return read(files.join(model_dir, METRICS))


def read_evaluations(model_dir: str | os.PathLike) -> list[dict[str, float]]:
    """The rows of evaluations.csv by step (see evaluation_row), without cells that have no value; [] if no file."""
    return read(files.join(model_dir, EVALUATIONS))


class MetricsCsv(Logger):
    """step, epoch, seconds, images_per_sec, each loss, learning_rate, gradient_norm; a row for each log.

    Of a run in float16 also loss_scale and skipped_steps.
    """

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._log = log

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._info = info
        self._table = CsvTable(files.join(info.model_dir, METRICS))
        rows = self._table.start(step, self._log)
        earlier = rows[-1].get("seconds", 0.0) if rows else 0.0
        self._began = time.monotonic() - earlier

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        self._table.append([self._cells(row) for row in rows])

    def _cells(self, row: TrainingRow) -> dict[str, float | None]:
        epoch, scalars = self._info.epoch(row.step), row.scalars
        speed = scalars.get("images_per_sec")
        cells: dict[str, float | None] = {
            STEP: row.step,
            "epoch": None if epoch is None else round(epoch, 6),
            "seconds": round(time.monotonic() - row.seconds_ago - self._began, 3),
            "images_per_sec": None if speed is None else round(speed, 3),
        }
        for name in (*(name for name in scalars if name.startswith(_LOSS)), *_LAST):
            # Nine digits tell all values of float32 apart.
            cells[name] = float(f"{scalars[name]:.9g}") if name in scalars else None
        return cells | {name: scalars[name] for name in _OF_FLOAT16 if name in scalars}

    def reopen(self) -> None:
        """See Logger."""
        self._table.reopen()


class EvaluationsCsv(Logger):
    """A row of `evaluation_row` for each evaluation."""

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._log = log

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._table = CsvTable(files.join(info.model_dir, EVALUATIONS))
        self._table.start(step, self._log)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._table.append([{STEP: step, **evaluation_row(evaluation)}])

    def reopen(self) -> None:
        """See Logger."""
        self._table.reopen()


def evaluation_row(evaluation: Evaluation) -> dict[str, float]:
    """All numbers by name: the metrics, the losses, AP/CLASS of each class, and what `eval_config` adds per class."""
    losses, metrics = evaluation.losses, evaluation.metrics
    main = {name: value for name, value in metrics.items() if name in evaluation.meanings and name not in losses}
    return {name: float(value) for name, value in (main | losses | _class_metrics(evaluation) | metrics).items()}


def _class_metrics(evaluation: Evaluation) -> dict[str, float]:
    """AP/CLASS of each class; classes that share a name have their id behind it."""
    uses = Counter(each["name"] for each in evaluation.classes)
    row = {}
    for each in evaluation.classes:
        name = each["name"] if uses[each["name"]] == 1 else f"{each['name']} ({each['id']})"
        row[f"AP/{name}"] = next(value for key, value in each.items() if key.startswith("AP"))
    return row
