"""Shows a run while it trains: a live panel on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import psutil  # type: ignore[import-untyped]
import tensorflow as tf

from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS
from odtk.evaluation.run import Evaluation
from odtk.progress import RATE_SECONDS, as_clock, can_redraw, plain_line_seconds, printing_above, terminal
from odtk.progress_file import ProgressFile
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.loggers.csv_files import evaluation_row, read_evaluations
from odtk.training.loggers.csv_table import STEP as STEP_COLUMN
from odtk.training.panel_view import render
from odtk.training.run_status import TRAINING, RunStatus
from odtk.training.task import GRADIENT_NORM
from odtk.training.times import COMPILING, DRAWING, EVALUATION, INPUT, SAVING, STARTING, STEP

_ABBREVIATIONS = {"classification": "cls", "localization": "loc", "objectness": "obj", "regularization": "reg"}
_ACTIVITIES = {STARTING: "starting", COMPILING: "compiling the first step", SAVING: "saving a checkpoint",
               DRAWING: "drawing pictures"}  # fmt: skip
_REDRAWS_PER_SECOND = 2


class Panel(Callback):
    """The figures of RunStatus from the first step to the last, and a line for each evaluation."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._file = ProgressFile.of_environment()

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment, info = experiment, experiment.info
        names = short_names(experiment.model.loss_names)
        self._words = {TOTAL_LOSS: "loss", **names, REGULARIZATION_LOSS: "reg"}
        metric = experiment.best_metric
        self.status = RunStatus(info.name, num_steps, experiment.step, num_epochs=info.epoch(num_steps),
                                metric=metric.short if metric else None)  # fmt: skip
        self._began, self._evaluated = self._clock(), 0
        self._read_evaluations(experiment.step)
        self._recent: deque[tuple[int, float, float]] = deque()
        self._update()
        self._shown = contextlib.ExitStack()
        self._print: Callable[[], None] = lambda: None
        if can_redraw():
            self._shown.enter_context(printing_above(self._live()))
        else:
            self._print = _EverySeconds(self._clock, self._print_line)
            self.status.activity = _ACTIVITIES[COMPILING]
        self._show()

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        status, times = self.status, self._experiment.times
        status.step, status.epoch = step, self._experiment.info.epoch(step)
        status.losses = {word: logs[tag] for tag, word in self._words.items() if tag in logs}
        status.learning_rate, status.gradient_norm = logs.get("learning_rate"), logs.get(GRADIENT_NORM)
        self._recent.append((step, times.training, times.seconds.get(INPUT, 0.0)))
        while len(self._recent) > 2 and times.training - self._recent[0][1] > RATE_SECONDS:
            self._recent.popleft()
        self._measure_speed()
        self._update()
        status.activity = TRAINING
        self._show()

    def during_evaluation(self, step: int, num_images: int) -> None:
        """See Callback."""
        self._evaluated += num_images
        self._update()
        self._show()

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        self._evaluated = 0
        metric = self._experiment.best_metric
        row = evaluation_row(evaluation)
        value = metric.value(row) if metric else None
        if metric and value is not None:
            self.status.last = step, value
            if self.status.best is None or not metric.is_better(self.status.best[1], value):
                self.status.best = step, value
        seconds = self._experiment.evaluator.seconds if self._experiment.evaluator else None
        print(evaluation_line(self.status, step, evaluation, seconds), file=sys.stderr, flush=True)

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        self.status.step, self._evaluated = step, 0
        self._recent.clear()
        self._read_evaluations(step)

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        self.status.activity = ""
        self._shown.close()
        self._print_line()
        self._file.offer(self.status.report, is_last=True)

    def _read_evaluations(self, step: int) -> None:
        metric = self._experiment.best_metric
        rows = [row for row in read_evaluations(self._experiment.info.model_dir) if row[STEP_COLUMN] <= step]
        if metric:
            self.status.best, self.status.last = metric.best_of(rows), metric.best_of(rows[-1:])

    def _measure_speed(self) -> None:
        (first, began, waited), (last, ended, waited_then) = self._recent[0], self._recent[-1]
        if last == first or ended <= began:
            return
        status, info, experiment = self.status, self._experiment.info, self._experiment
        status.steps_per_second = (last - first) / (ended - began)
        status.images_per_second = status.steps_per_second * info.batch_size
        if waited_then:  # else it is not measured
            status.waiting = (waited_then - waited) / (ended - began)
        training = (status.num_steps - last) / status.steps_per_second
        saving = training / max(experiment.times.training, 1e-9) * experiment.times.seconds.get(SAVING, 0.0)
        status.eta = training + saving + experiment.schedule.seconds_left(last, training)

    def _update(self) -> None:
        """What changes between loops, too; called by rich's thread, so it asks no TensorFlow that could wait."""
        status = self.status
        status.elapsed = self._clock() - self._began
        status.process_bytes = psutil.Process().memory_info().rss
        status.device_bytes = _device_bytes()
        status.activity = self._activity()

    def _activity(self) -> str:
        phase, evaluator = self._experiment.times.current, self._experiment.evaluator
        if phase == EVALUATION:
            total = f"/{evaluator.num_images:,}" if evaluator and evaluator.num_images else ""
            return f"evaluating {self._evaluated:,}{total} images"
        return TRAINING if phase in (STEP, INPUT) else _ACTIVITIES.get(phase, self.status.activity)

    def _show(self) -> None:
        self._print()
        self._file.offer(self.status.report)

    def _print_line(self) -> None:
        print(self.status.line(), file=sys.stderr, flush=True)

    def _live(self):
        from rich.live import Live

        console = terminal()

        def draw():
            self._update()
            return render(self.status, console.width)

        # Gone at the end, as the last figures then stand on a line of their own.
        return Live(get_renderable=draw, console=console, refresh_per_second=_REDRAWS_PER_SECOND, transient=True,
                    redirect_stdout=sys.stdout.isatty())  # fmt: skip


class _EverySeconds:
    """Calls a function at once, and then as often as plain lines are printed."""

    def __init__(self, clock: Callable[[], float], function: Callable[[], None]):
        self._clock, self._function, self._began = clock, function, clock()
        self._last = float("-inf")

    def __call__(self) -> None:
        now = self._clock()
        if now - self._last >= plain_line_seconds(now - self._began):
            self._last = now
            self._function()


def evaluation_line(status: RunStatus, step: int, evaluation: Evaluation, seconds: float | None) -> str:
    """`Evaluated step 1,000: mAP 0.412 (best 0.431 at step 800), mAP@.50IOU 0.710, loss 1.02, 400 images in 12.2 s`."""
    parts = []
    if status.metric and status.last and status.last[0] == step:
        best = "the best so far" if status.best == status.last else ""
        if status.best and not best:
            best = f"best {status.best[1]:.3f} at step {status.best[0]:,}"
        parts.append(f"{status.metric} {status.last[1]:.3f} ({best})")
    others = {name.rpartition("/")[2]: value for name, value in evaluation.metrics.items() if name not in (TOTAL_LOSS,)}
    half = next((name for name in others if name.endswith("0.5IOU") or name.endswith(".50IOU")), None)
    if half and half != status.metric:
        parts.append(f"{half} {others[half]:.3f}")
    if TOTAL_LOSS in evaluation.losses:
        parts.append(f"loss {evaluation.losses[TOTAL_LOSS]:.3g}")
    took = "" if seconds is None else f" in {as_clock(seconds) if seconds >= 60 else f'{seconds:.1f} s'}"
    return f"Evaluated step {step:,}: " + ", ".join([*parts, f"{evaluation.num_images:,} images{took}"])


def _device_bytes() -> int | None:
    """Of the first GPU, in use at the most; None without one."""
    try:
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    except (ValueError, RuntimeError, KeyError):
        return None


def short_names(tags: Sequence[str]) -> dict[str, str]:
    """Maps each loss tag to a short name: Loss/classification_loss to "cls".

    It is the tag's last part, with the parts before it if several end alike: "RPN loc" for Loss/RPNLoss/localization.
    """
    last = {tag: _word(tag.rpartition("/")[2]) for tag in tags}
    words = list(last.values())
    return {
        tag: word if words.count(word) == 1 else " ".join(map(_word, tag.removeprefix("Loss/").split("/")))
        for tag, word in last.items()
    }


def _word(part: str) -> str:
    word = part.removesuffix("_loss").removesuffix("Loss")
    return _ABBREVIATIONS.get(word, word)
