"""The picture of the first batch of training: batches/first.png."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from odtk import files
from odtk.report.batch_picture import draw_batch
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.pictures import DrawingErrors, batch_images, class_namer, numbered, save_png

FOLDER = "batches"
FIRST, RESUMED = "first.png", "resumed-at-{step}.png"
TAG = "train_input_images"
"""TFOD's, in TensorBoard."""


class FirstBatchPicture(Callback):
    """Draws the batch of this process's first step, with its groundtruth, exactly as the step got it.

    A resumed run keeps first.png and adds its own picture, in place of an earlier resumed run's.
    """

    def __init__(self, log: Callable[[str], None] = lambda line: None):
        self._errors = DrawingErrors("the first batch", log)

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment, self._start = experiment, experiment.step
        self._batch: dict[str, np.ndarray] | None = None  # until its picture is written

    def after_loop(self, step: int, logs: dict[str, float]) -> None:
        """See Callback."""
        self._batch = batch = self._experiment.task.first_batch.take() or self._batch
        if batch is None:
            return
        picture = self._errors.attempt(lambda: self._draw(batch))
        if picture is not None:
            self._save(picture)
            self._experiment.logger.log_picture(step, "train", TAG, np.asarray(picture))
        self._batch = None

    def _draw(self, batch: dict[str, np.ndarray]) -> Image.Image:
        config = self._experiment.task.config
        begun = f"after resuming at step {self._start:,}" if self._start else "of training"
        return draw_batch(
            batch_images(batch),
            class_namer(config.train_input_reader.label_map_path),
            f"{self._experiment.info.name}: the first batch {begun}, as the network is given it",
            config.train_config.batch_size,
        )

    def _save(self, picture: Image.Image) -> None:
        model_dir = self._experiment.info.model_dir
        if not self._start:
            save_png(model_dir, FOLDER, FIRST, picture)
            return
        earlier = numbered(model_dir, FOLDER, RESUMED)
        save_png(model_dir, FOLDER, RESUMED.format(step=self._start), picture)
        for step, path in earlier.items():
            if step != self._start:
                files.remove(path)
