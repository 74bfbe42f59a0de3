"""The images that an export is verified on, and what a model answers for them."""

from __future__ import annotations

import abc
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from odtk.detections import Detections
from odtk.errors import OdtkError
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.outside_models import OutsideModel, outside_step
from odtk.exporting.model import Model
from odtk.protos import pipeline_pb2

_MAP = "DetectionBoxes_Precision/mAP"
_DRAWN_SIDE = 640  # pixels, for detectors that take any size


@dataclass(frozen=True)
class Answers:
    """What one model finds on all images."""

    source: str
    detections: Sequence[Detections]
    mean_precision: float | None
    """COCO's mAP; None without groundtruth."""
    milliseconds: float | None
    """The median time of an image, the first ones left out; None of fewer than three."""
    note: str | None = None


class Images(abc.ABC):
    """The images, read again for each model, so that they need no memory."""

    source: str
    note: str | None = None

    @abc.abstractmethod
    def answers(self, model: Model) -> Answers:
        """What a model finds on each image, in their order."""


class _Timed:
    """A model that notes how long it takes."""

    def __init__(self, model: Model):
        self._model = model
        self.found: list[Detections] = []
        self._seconds: list[float] = []

    def detect(self, image: np.ndarray) -> Detections:
        start = time.perf_counter()
        (found,) = self._model.detect_batch([image])
        self._seconds.append(time.perf_counter() - start)
        self.found.append(found)
        return found

    @property
    def milliseconds(self) -> float | None:
        warm = self._seconds[2:]  # TensorFlow compiles in the first calls
        return 1000 * statistics.median(warm) if warm else None


class RecordImages(Images):
    """Images of the evaluation records, spread over them, with their groundtruth."""

    source = "evaluation images"

    def __init__(self, config: pipeline_pb2.TrainEvalPipelineConfig, num_classes: int, count: int):
        self._config = pipeline_pb2.TrainEvalPipelineConfig()
        self._config.CopyFrom(config)
        measuring = self._config.eval_config
        measuring.batch_size, measuring.use_dummy_loss_in_eval = 1, True
        measuring.metrics_set[:] = ["coco_detection_metrics"]
        self._num_classes, self._count = num_classes, count

    def answers(self, model: Model) -> Answers:
        """See Images. Raises DataError for records that cannot be read."""
        timed = _Timed(model)
        step = outside_step(lambda names, pixels: [timed.detect(image) for image in pixels])
        outside: Any = OutsideModel(self._num_classes)  # all that is read of a detector when the step is given
        evaluation = ConfiguredEvaluation(self._config, outside, max_images=self._count, step=step)
        value = evaluation.run().metrics[_MAP]
        # COCO's -1 says that there is no groundtruth.
        return Answers(self.source, timed.found, value if value >= 0 else None, timed.milliseconds)


class DrawnImages(Images):
    """Images of colored patches, the same each time: for models whose records are not at hand."""

    source = "drawn images"

    def __init__(self, size: tuple[int, int] | None, count: int, note: str | None = None):
        self._size, self._count, self.note = size or (_DRAWN_SIDE, _DRAWN_SIDE), count, note

    def answers(self, model: Model) -> Answers:
        """See Images."""
        timed = _Timed(model)
        for image in self._images():
            timed.detect(image)
        return Answers(self.source, timed.found, None, timed.milliseconds, self.note)

    def _images(self) -> Iterator[np.ndarray]:
        for index in range(self._count):
            coarse = tf.random.stateless_uniform([8, 8, 3], (index, 1), 0.0, 255.0)
            yield tf.cast(tf.image.resize(coarse, self._size), tf.uint8).numpy()


def first_answers(
    config: pipeline_pb2.TrainEvalPipelineConfig, num_classes: int, size: tuple[int, int] | None, count: int,
    model: Model,
) -> tuple[Images, Answers]:  # fmt: skip
    """The images to verify on, those of the evaluation records where they can be read, and the answers of `model`."""
    note = None
    if config.eval_input_reader:
        records: Images = RecordImages(config, num_classes, count)
        try:
            answers = records.answers(model)
            if answers.detections:
                return records, answers
            note = "the evaluation records have no images"
        except (OdtkError, OSError, tf.errors.OpError) as error:  # such as records that are not on this machine
            note = f"the evaluation records cannot be used: {error}"
    drawn = DrawnImages(size, count, note)
    return drawn, drawn.answers(model)
