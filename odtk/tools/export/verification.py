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
    batch: Sequence[Detections] | None = None
    """The same of a batch, the first image and its mirror image; None of a model that takes one image at a time."""


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
        self._first: np.ndarray | None = None

    def detect(self, image: np.ndarray) -> Detections:
        self._first = image if self._first is None else self._first
        start = time.perf_counter()
        (found,) = self._model.detect_batch([image])
        self._seconds.append(time.perf_counter() - start)
        self.found.append(found)
        return found

    def detect_batch(self) -> list[Detections] | None:
        """See Answers.batch. Two images of one size, as only these are a batch to every model."""
        if self._first is None or not self._model.takes_batches:
            return None
        return self._model.detect_batch([self._first, np.ascontiguousarray(self._first[:, ::-1])])

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
        precision = value if value >= 0 else None
        return Answers(self.source, timed.found, precision, timed.milliseconds, batch=timed.detect_batch())


class DrawnImages(Images):
    """Images of colored patches, the same each time: for models whose records are not at hand.

    In turns they are smaller and wider than what the network takes, larger and higher, and of its own size, so that
    a model's resizing and padding are compared, too.
    """

    source = "drawn images"

    def __init__(self, size: tuple[int, int] | None, count: int, note: str | None = None):
        """`size` is the network's (height, width); None if it takes any."""
        self._sizes, self._count, self.note = drawn_sizes(*size or (_DRAWN_SIDE, _DRAWN_SIDE)), count, note

    def answers(self, model: Model) -> Answers:
        """See Images."""
        timed = _Timed(model)
        for image in self._images():
            timed.detect(image)
        return Answers(self.source, timed.found, None, timed.milliseconds, self.note, timed.detect_batch())

    def _images(self) -> Iterator[np.ndarray]:
        for index in range(self._count):
            coarse = tf.random.stateless_uniform([8, 8, 3], (index, 1), 0.0, 255.0)
            yield tf.cast(tf.image.resize(coarse, self._sizes[index % len(self._sizes)]), tf.uint8).numpy()


def drawn_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of drawn images for a network that takes `height` and `width`.

    Their sides are as 3 to 5, of which no whole number of pixels ends halfway between two: there a runtime may round to
    the other one where the ratio is kept (see docs/onnx.md on OpenVINO), which is no error.
    """
    smaller, larger = max(min(height, width) // 8, 1), max(height, width) // 3 + 1
    return [(3 * smaller, 5 * smaller), (5 * larger, 3 * larger), (height, width)]


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
