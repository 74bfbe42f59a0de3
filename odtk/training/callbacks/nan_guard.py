"""Ends a run whose loss is NaN or infinite, and reports the records of the first such batch."""

import math

from odtk.detectors.total_loss import TOTAL_LOSS
from odtk.errors import OdtkError
from odtk.inputs.build import record_files
from odtk.inputs.record_errors import names_of_records
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.task import DetectionTask

_RECORDS_NAMED = 16


class NotFiniteError(OdtkError):
    """The loss became NaN or infinite."""


class NanGuard(Callback):
    """Raises NotFiniteError before a useless checkpoint is saved."""

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._task = experiment.task

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        if math.isfinite(logs[TOTAL_LOSS]):
            return
        losses = ", ".join(f"{tag} {value:.3g}" for tag, value in logs.items())
        failed, records = _first_failure(self._task)
        raise NotFiniteError(
            f"The loss became NaN or infinite at step {failed or step} ({losses}). {records}"
            "Usually the learning rate is too high for the batch size: lower it, lengthen the warm-up, or set "
            "train_config.gradient_clipping_by_norm: 10. If it happens at the same records again, check their images "
            "and boxes. The next run resumes from the last checkpoint."
        )


def _first_failure(task: DetectionTask) -> tuple[int | None, str]:
    """The step (from 1) whose batch was the first without a finite loss, and a sentence that names its records."""
    found = task.first_failure.read()
    if found is None:
        return None, ""
    step, places = found
    names = names_of_records(record_files(task.config.train_input_reader), places[:_RECORDS_NAMED])
    more = f" and {len(places) - _RECORDS_NAMED} more" if len(places) > _RECORDS_NAMED else ""
    return step + 1, f"The batch of that step: {', '.join(names)}{more}. "
