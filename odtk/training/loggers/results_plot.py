"""results.png: the curves of metrics.csv and evaluations.csv."""

import contextlib
from collections.abc import Callable

from odtk import files
from odtk.checkpoints.best import Best as KeptBest
from odtk.checkpoints.best import read_best
from odtk.errors import OdtkError
from odtk.evaluation.coco import NO_GROUNDTRUTH
from odtk.evaluation.run import Evaluation
from odtk.report.training_curves import Best, Curves, draw_curves, short_name, to_png
from odtk.retrying import UnreachableError
from odtk.training.loggers.csv_files import read_evaluations, read_metrics
from odtk.training.loggers.logger import Logger
from odtk.training.pictures import DrawingErrors
from odtk.training.run_info import RunInfo

NAME = "results.png"

_LOSS = "Loss/"
_CURVES = 2  # metrics in one panel


class ResultsPlot(Logger):
    """Draws the curves after each evaluation and at the end, from the files: it comes after their loggers."""

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._errors = DrawingErrors(NAME, log)

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._info, self._drawn = info, ([], [])

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._draw()

    def close(self, error: BaseException | None) -> None:
        """See Logger."""
        if isinstance(error, UnreachableError):
            return  # writing would make the folder again, below the place where its drive is mounted
        # After an error, such as a full disk, its message matters more than the last rows of the curves.
        with contextlib.suppress(*((OSError, OdtkError) if error else ())):
            self._draw()

    def _draw(self) -> None:
        model_dir = self._info.model_dir
        metrics, evaluations = read_metrics(model_dir), read_evaluations(model_dir)
        last_rows = metrics[-1:], evaluations[-1:]
        if last_rows == self._drawn:
            return
        best = read_best(model_dir)
        png = self._errors.attempt(lambda: to_png(draw_curves(curves(self._info, metrics, evaluations, best))))
        if png:
            files.write_bytes(files.join(model_dir, NAME), png)
        self._drawn = last_rows


def curves(
    info: RunInfo, metrics: list[dict[str, float]], evaluations: list[dict[str, float]], kept: KeptBest | None = None
) -> Curves:
    """What results.png shows of the rows of both files (of one at least one row), and of the `kept` weights."""
    step = max(int(row["step"]) for row in (*metrics[-1:], *evaluations[-1:]))
    title = f"{info.name}: step {step:,} of {info.num_steps:,}"
    if kept:
        title += f", best {short_name(kept.metric)} {kept.value:.3f} at step {kept.step:,}"
    evaluations = [_without_missing(row) for row in evaluations]
    quality = [name for name in (evaluations[-1] if evaluations else {}) if _is_main(name)]
    if kept and not kept.metric.startswith(_LOSS) and kept.metric not in quality[:_CURVES]:
        quality.insert(0, kept.metric)
    return Curves(
        title=title,
        metrics=metrics,
        evaluations=evaluations,
        quality=quality[:_CURVES],
        best=Best(kept.step, kept.metric, kept.value) if kept else None,
        steps_per_epoch=info.num_records / info.batch_size if info.num_records else None,
    )


def _without_missing(row: dict[str, float]) -> dict[str, float]:
    """The row without metrics that have no value because there is no groundtruth for them."""
    return {name: value for name, value in row.items() if value != NO_GROUNDTRUTH or name.startswith(_LOSS)}


def _is_main(name: str) -> bool:
    """Whether a column of evaluations.csv is a mean AP over all classes and all sizes."""
    kind, _, metric = name.partition("/")
    return metric.startswith("mAP") and "(" not in metric and kind != "AP" and not kind.endswith("ByCategory")
