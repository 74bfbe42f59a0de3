"""Ends training when evaluations no longer improve, and says what that saves or costs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from odtk.checkpoints.best import read_best
from odtk.evaluation.run import Evaluation
from odtk.training.best_metric import BestMetric
from odtk.training.callbacks.callback import Callback, StopTraining
from odtk.training.experiment import Experiment
from odtk.training.loggers.csv_files import evaluation_row, read_evaluations
from odtk.training.loggers.csv_table import STEP

USUAL_PATIENCE = 3
"""Of the words about a run without early stopping."""


@dataclass
class Patience:
    """Counts the evaluations since the last improvement."""

    metric: BestMetric
    limit: int
    min_delta: float = 0.0
    best: tuple[int, float] | None = None
    """Step and value that the next ones must improve on."""
    waited: int = 0

    def note(self, row: Mapping[str, float], *, counts: bool = True) -> None:
        """Takes the next row of evaluations.csv; one that does not count can only improve."""
        value = self.metric.value(row)
        if value is not None and self.metric.is_better(value, self.best and self.best[1], self.min_delta):
            self.best, self.waited = (int(row[STEP]), value), 0
        elif counts:
            self.waited += 1

    @property
    def is_over(self) -> bool:
        """Whether to stop."""
        return self.waited >= self.limit

    @property
    def reason(self) -> str:
        """Why to stop, for the user."""
        best = f" (best: {self.best[1]:.4g} at step {self.best[0]:,})" if self.best else ""
        return f"no improvement of {self.metric.short} in {self.waited} evaluations{best}"


class EarlyStopping(Callback):
    """Stops after `patience` evaluations without an improvement of the best metric by more than `min_delta`.

    After a resume it goes on where it was, by the rows of evaluations.csv. Weights in best/ that an interrupted run
    measured at a later step are what later evaluations must improve on; those until that step do not count.
    """

    def __init__(self, patience: int, min_delta: float = 0.0):
        self._limit, self._min_delta = patience, min_delta

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment
        self._patience = self._patience_at(experiment.step)

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        self._patience = self._patience_at(step)

    def _patience_at(self, step: int) -> Patience | None:
        metric, model_dir = self._experiment.best_metric, self._experiment.info.model_dir
        if metric is None:
            return None
        patience = Patience(metric, self._limit, self._min_delta)
        for row in read_evaluations(model_dir):
            if row[STEP] <= step:
                patience.note(row)
        kept = read_best(model_dir)
        self._counts_after = kept.step if kept and kept.step > step else -1
        if kept and self._counts_after >= 0:
            patience.note({STEP: kept.step, **kept.metrics}, counts=False)
        return patience

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        if self._patience is None:
            return
        self._patience.note({**evaluation_row(evaluation), STEP: step}, counts=step > self._counts_after)
        if self._patience.is_over:
            raise StopTraining(self._patience.reason)


def patience_in_words(
    rows: Sequence[Mapping[str, float]],
    metric: BestMetric,
    num_steps: int,
    patience: int | None = None,
    min_delta: float = 0.0,
    seconds_at: Callable[[int], float | None] = lambda step: None,
) -> str | None:
    """What early stopping saved in a run that it ended, or would have saved and lost in another; None if nothing.

    `rows` are those of evaluations.csv, `num_steps` the last step of the schedule, `patience` that of the run (None:
    none). `seconds_at` is the time of training until a step, None where it is unknown.
    """
    if not rows:
        return None
    last, best = int(rows[-1][STEP]), metric.best_of(rows)
    stopped = _stop_of(rows, Patience(metric, patience or USUAL_PATIENCE, min_delta))
    if best is None:
        return None
    if patience is not None:
        if stopped is None or last >= num_steps:
            return None
        return f"Patience left out {num_steps - last:,} of {num_steps:,} steps{_about(last, num_steps, seconds_at)}."
    if stopped is None or stopped >= last:
        return None
    until = metric.best_of(row for row in rows if row[STEP] <= stopped)
    value = f"{until[1]:.4g}" if until else "no value"
    outcome = (
        f"with the same {metric.short}" if until == best else f"with {metric.short} {value} instead of {best[1]:.4g}"
    )
    return (
        f"With a patience of {USUAL_PATIENCE} it would have stopped at step {stopped:,}"
        f"{_earlier(stopped, last, seconds_at)}, {outcome}."
    )


def _stop_of(rows: Iterable[Mapping[str, float]], patience: Patience) -> int | None:
    for row in rows:
        patience.note(row)
        if patience.is_over:
            return int(row[STEP])
    return None


def _earlier(stopped: int, last: int, seconds_at: Callable[[int], float | None]) -> str:
    then, end = seconds_at(stopped), seconds_at(last)
    if then is None or end is None:
        return ""
    return f", {_duration(end - then)} earlier"


def _about(last: int, num_steps: int, seconds_at: Callable[[int], float | None]) -> str:
    seconds = seconds_at(last)
    return f", about {_duration(seconds / last * (num_steps - last))}" if seconds else ""


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
