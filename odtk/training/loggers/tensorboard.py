"""TensorBoard's event files: the runs `train` and `eval` of the model dir, as TFOD's."""

import numpy as np
import tensorflow as tf

from odtk import files
from odtk.evaluation.run import Evaluation
from odtk.training.loggers.logger import Logger
from odtk.training.run_info import RunInfo


class TensorBoard(Logger):
    """Scalars and pictures for `tensorboard --logdir`; a run's folder is made with its first entry."""

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger."""
        self._model_dir = info.model_dir
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def log_training(self, step: int, scalars: dict[str, float]) -> None:
        """See Logger."""
        self._write_scalars("train", step, scalars)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._write_scalars("eval", step, evaluation.metrics)

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        with self._writer(run).as_default(step):
            tf.summary.image(tag, pixels[None])
        self._writer(run).flush()

    def reopen(self) -> None:
        """See Logger; what was flushed stays in the old files."""
        self._writers.clear()

    def close(self, error: BaseException | None) -> None:
        """See Logger."""
        for writer in self._writers.values():
            writer.close()

    def _write_scalars(self, run: str, step: int, scalars: dict[str, float]) -> None:
        with self._writer(run).as_default(step):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value)
        self._writer(run).flush()

    def _writer(self, run: str) -> tf.summary.SummaryWriter:
        if run not in self._writers:
            self._writers[run] = tf.summary.create_file_writer(files.join(self._model_dir, run))
        return self._writers[run]
