"""Says early, and once each, that a training does not learn: what is seen, why that may be, and the fix."""

from collections import deque
from collections.abc import Callable, Sequence
from statistics import median

from odtk.datasets.split_classes import find_differences
from odtk.detectors.total_loss import REGULARIZATION_LOSS, TOTAL_LOSS
from odtk.errors import OdtkError
from odtk.evaluation.run import Evaluation
from odtk.inputs.build import record_files
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.optimizer import warmup_steps
from odtk.training.task import GRADIENT_NORM
from odtk.training.times import INPUT

LEAST_STEPS, MOST_STEPS = 200, 2000
"""After the warm-up, before the loss is judged: a tenth of the run within these."""
_LEAST_LOSSES = 30
_FALLEN = 0.98
"""Of its first third's median: a loss below has fallen."""
_HIDDEN_FALL, _ERRORS = 0.95, 3
"""A loss that may have fallen to this share, within so many standard errors, is not judged yet."""
_CLEARLY_FALLEN = 0.7
_NO_GRADIENT = 1e-7
_NORMS = 10
_NOTHING_FOUND = 5e-4
"""An mAP below is 0 in all digits that are shown."""
WAITING_SHARE, WAITING_SECONDS = 0.3, 60.0


class NotLearning(Callback):
    """Calls `log` with warnings."""

    def __init__(self, log: Callable[[str], None]):
        self._log = log

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment, self._first = experiment, experiment.step
        warmup = warmup_steps(experiment.task.config.train_config.optimizer)
        self._judged_at = warmup + min(max(num_steps // 10, LEAST_STEPS), MOST_STEPS)
        self._losses: list[float] = []
        self._norms: deque[float] = deque(maxlen=_NORMS)
        self._waits: deque[tuple[float, float]] = deque()
        self._nothing_found = self._next_judgement = 0
        self._said: set[str] = set()

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        # A loop of quick steps passes some that are logged.
        passed = [row.logs for row in self._experiment.trainer.rows if row.step < step]
        for each in (*passed, logs):
            # The penalty on weights hardly changes, and may be the larger part.
            self._losses.append(each[TOTAL_LOSS] - each.get(REGULARIZATION_LOSS, 0.0))
            self._norms.append(each.get(GRADIENT_NORM, 1.0))
        # A resumed run may have learned before.
        if self._first == 0 and step >= self._judged_at:
            self._judge_loss(step)
        if len(self._norms) == _NORMS and median(self._norms) < _NO_GRADIENT:
            self._warn("gradient", self._no_gradient())
        self._judge_waiting()

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        found = [value for name, value in evaluation.metrics.items() if name.endswith("mAP") or "mAP@" in name]
        self._nothing_found = self._nothing_found + 1 if found and max(found) < _NOTHING_FOUND else 0
        fallen = share_left(self._losses)
        if self._nothing_found >= 2 and step >= self._judged_at and fallen is not None and fallen < _CLEARLY_FALLEN:
            self._warn("mAP", self._nothing_is_found(step, fallen))

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        self._losses, self._nothing_found, self._next_judgement = [], 0, 0
        self._norms.clear()

    def _judge_loss(self, step: int) -> None:
        if "loss" in self._said or len(self._losses) < self._next_judgement:
            return
        # A curve that is judged at every step looks like anything some time.
        self._next_judgement = int(1.5 * len(self._losses))
        fallen = has_fallen(self._losses)
        if fallen is None:
            return
        self._said.add("loss")  # judged once: later a loss may rest at its lowest
        # Fine-tuned weights may be as good as they get.
        if not fallen and not self._finds_something():
            parts = thirds(self._losses)
            self._log(
                f"warning: The loss has not fallen in {step:,} steps: its median was {median(parts[0]):.3g} at first "
                f"and is {median(parts[-1]):.3g} now, without the penalty on weights. Usually the learning rate is too "
                "low or far too high (try a tenth and three times of it), or the boxes do not fit the images: look at "
                f"batches/first.png in {self._experiment.info.model_dir}, which shows what is trained on."
            )

    def _finds_something(self) -> bool:
        latest = self._experiment.evaluator.latest if self._experiment.evaluator else None
        return latest is not None and any("mAP" in name and value > 0.05 for name, value in latest.metrics.items())

    def _no_gradient(self) -> str:
        frozen = list(self._experiment.task.config.train_config.freeze_variables)
        trained = len(self._experiment.model.trainable_variables)
        why = (
            f"train_config.freeze_variables is {', '.join(frozen)}; {trained} variables are trained: freeze fewer."
            if frozen
            else f"{trained} variables are trained, so the loss does not depend on them: it may be 0 because no image "
            f"has a box, or the learning has come to its end. Look at batches/first.png in "
            f"{self._experiment.info.model_dir}."
        )
        return f"The gradient's norm is {median(self._norms):.2g}, so nothing is learned. {why}"

    def _nothing_is_found(self, step: int, fallen: float) -> str:
        config, reader = self._experiment.task.config, self._experiment.task.config.eval_input_reader[0]
        train = config.train_input_reader
        try:
            differences = find_differences(
                record_files(train), record_files(reader), train.label_map_path, reader.label_map_path
            )
        except (OdtkError, OSError) as error:
            differences = [f"The records could not be compared: {error}"]
        checked = " ".join(differences) or (
            "Label maps and classes of training and evaluation records agree in the records that were compared. Look "
            f"at evaluations/ in {self._experiment.info.model_dir}, and run `odtk inspect` on the config."
        )
        return (
            f"mAP is still 0 at step {step:,}, though the loss has fallen by {1 - fallen:.0%}: usually the label map "
            f"or the classes of the evaluation records are wrong. {checked}"
        )

    def _judge_waiting(self) -> None:
        times = self._experiment.times
        self._waits.append((times.training, times.seconds.get(INPUT, 0.0)))
        while len(self._waits) > 2 and times.training - self._waits[1][0] >= WAITING_SECONDS:
            self._waits.popleft()
        (began, before), (now, waited) = self._waits[0], self._waits[-1]
        if now - began >= WAITING_SECONDS and (waited - before) / (now - began) > WAITING_SHARE:
            self._warn(
                "input",
                f"Steps wait for data {(waited - before) / (now - began):.0%} of their time: reading and decoding "
                "images is slower than the device. Raise train_input_reader.num_readers if the records lie on a "
                "network drive, or copy them to a local disk; make the images in the records smaller (about the "
                "model's input size); leave out costly augmentations; use more CPU cores.",
            )

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._log(f"warning: {text}")


def thirds(values: Sequence[float]) -> list[Sequence[float]]:
    """The values in three parts of about equal length."""
    size = len(values) // 3
    return [values[:size], values[size : len(values) - size], values[len(values) - size :]]


def share_left(losses: Sequence[float]) -> float | None:
    """The median of the last third as a part of that of the first; None with too few losses, or none above 0."""
    if len(losses) < _LEAST_LOSSES:
        return None
    first, _, last = map(median, thirds(losses))
    return last / first if first > 0 else None


def has_fallen(losses: Sequence[float]) -> bool | None:
    """Whether they are lower in the last third than in the first; None while noise could hide that."""
    left = share_left(losses)
    if left is None:
        return None
    first, _, last = thirds(losses)
    error = _ERRORS * (_error(first) ** 2 + _error(last) ** 2) ** 0.5 / median(first)
    if left + error < _FALLEN:
        return True
    return False if left - error > _HIDDEN_FALL else None


def _error(values: Sequence[float]) -> float:
    """The standard error of the median, from the median deviation, as outliers are usual (of normal values: 1.48)."""
    center = median(values)
    deviation = median(abs(value - center) for value in values)
    return 1.25 * 1.48 * deviation / len(values) ** 0.5
