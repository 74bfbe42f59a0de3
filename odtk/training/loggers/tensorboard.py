"""TensorBoard's event files."""

import os

import tensorflow as tf

from odtk.training.loggers.logger import Logger


class TensorBoard(Logger):
    """Scalars for `tensorboard --logdir`."""

    def __init__(self, folder: str | os.PathLike):
        """`folder` is created with the first scalars."""
        self._folder = os.fspath(folder)
        self._writer: tf.summary.SummaryWriter | None = None

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """See Logger."""
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._folder)
        with self._writer.as_default(step):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value)
        self._writer.flush()
