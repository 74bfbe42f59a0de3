"""results.png: the curves of metrics.csv and evaluations.csv."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from odtk import files
from odtk.errors import OdtkError
from odtk.evaluation.run import Evaluation
from odtk.report.training_curves import Curves, draw_curves, to_png
from odtk.training.loggers.csv_files import read_evaluations, read_metrics
from odtk.training.loggers.logger import Logger
from odtk.training.pictures import DrawingErrors
from odtk.training.run_info import RunInfo

NAME = "results.png"


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
        # After an error, such as a full disk, its message matters more than the last rows of the curves.
        with contextlib.suppress(*((OSError, OdtkError) if error else ())):
            self._draw()

    def _draw(self) -> None:
        metrics, evaluations = read_metrics(self._info.model_dir), read_evaluations(self._info.model_dir)
        last_rows = metrics[-1:], evaluations[-1:]
        if last_rows == self._drawn:
            return
        png = self._errors.attempt(lambda: to_png(draw_curves(curves(self._info, metrics, evaluations))))
        if png:
            files.write_bytes(files.join(self._info.model_dir, NAME), png)
        self._drawn = last_rows


def curves(info: RunInfo, metrics: list[dict[str, float]], evaluations: list[dict[str, float]]) -> Curves:
    """What results.png shows of the rows of both files."""
    step = max(int(row["step"]) for row in (*metrics[-1:], *evaluations[-1:]))
    quality = [name for name in (evaluations[-1] if evaluations else {}) if _is_main(name)]
    best_metric = quality[0] if quality else ""
    steps_per_epoch = info.num_records / info.batch_size if info.num_records else None
    drawn = Curves("", metrics, evaluations, quality[:_CURVES], best_metric, steps_per_epoch=steps_per_epoch)
    title = f"{info.name}: step {step:,} of {info.num_steps:,}"
    if drawn.best:
        best_step, value = drawn.best
        title += f", best {best_metric.rpartition('/')[2]} {value:.3f} at step {best_step:,}"
    return replace(drawn, title=title)


def _is_main(name: str) -> bool:
    """Whether a column of evaluations.csv is a mean AP over all classes and all sizes."""
    kind, _, metric = name.partition("/")
    return metric.startswith("mAP") and "(" not in metric and kind != "AP" and not kind.endswith("ByCategory")
