"""TensorBoard's event files: the runs `train` and `eval` of the model dir, as TFOD's."""

from collections.abc import Sequence

import numpy as np

from odtk import files
from odtk.evaluation.run import Evaluation
from odtk.training.loggers.event_files import EventFiles
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.run_info import RunInfo

RUNS = ("train", "eval")


class TensorBoard(Logger):
    """Scalars and pictures for `tensorboard --logdir MODEL_DIR`."""

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._runs = {run: EventFiles(files.join(info.model_dir, run), step + 1) for run in RUNS}

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        self._runs["train"].add_rows(rows)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._runs["eval"].add_scalars(step, evaluation.metrics)

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        self._runs[run].add_picture(step, tag, pixels)

    def reopen(self) -> None:
        """See Logger."""
        for run in self._runs.values():
            run.reopen()

    def close(self, error: BaseException | None) -> None:
        """See Logger."""
        for run in self._runs.values():
            run.close()
