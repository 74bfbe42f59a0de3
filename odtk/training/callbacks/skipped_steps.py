"""Tells of steps that were skipped because gradients overflowed in float16."""

from collections.abc import Callable

from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment


class SkippedSteps(Callback):
    """Calls `log` at the first such step, then each time that their number has doubled, and at the end."""

    def __init__(self, log: Callable[[str], None]):
        self._log = log

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._trainer = experiment.trainer
        self._before, self._said = self._count(), 0

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        skipped = self._count() - self._before
        if skipped < max(2 * self._said, 1):
            return
        self._said, found = skipped, self._trainer.loss_scale
        assert found is not None
        last, scale = int(found.last_overflow.numpy()), float(found.scale.numpy())
        self._log(
            f"note: Gradients overflowed in float16 at step {last:,}, which was skipped: {_steps(skipped)} so far. "
            f"Weights stayed as they were; the loss scale is {scale:g} now."
        )

    def after_going_back(self, step: int) -> None:
        """See Callback."""
        self._before = min(self._before, self._count())
        self._said = min(self._said, self._count() - self._before)

    def at_end(self, error: BaseException | None) -> None:
        """See Callback."""
        skipped = self._count() - self._before
        if skipped > self._said:
            self._log(f"note: {_steps(skipped)} were skipped, as gradients overflowed in float16.")

    def _count(self) -> int:
        return self._trainer.skipped_steps or 0


def _steps(count: int) -> str:
    return f"{count:,} step{'s' * (count != 1)}"
