"""A model that is built from its pipeline.config and restored from a checkpoint, as it is trained."""

import contextlib
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from odtk.detections import MULTICLASS_SCORES, Detections
from odtk.detectors.detector import Detector
from odtk.errors import DataError
from odtk.exporting.model import Model, groups_of, size_in_words
from odtk.protos import pipeline_pb2

_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections", MULTICLASS_SCORES)


class TrainedModel(Model):
    """A detector with the weights of a checkpoint; it has the `detector` and its `config`, for those who look inside.

    Images of a batch may have any sizes: those that have one size after they were resized go through together.
    """

    def __init__(
        self,
        detector: Detector,
        config: pipeline_pb2.TrainEvalPipelineConfig,
        prefix: str,
        step: int | None,
        name_of: Callable[[int], str],
        device: str | None = None,
    ):
        """`prefix` and `step` are those of the checkpoint; `device`: "CPU:0" or "GPU:0", None for TensorFlow's own."""
        self.detector, self.config, self.prefix, self.step, self.name_of = detector, config, prefix, step, name_of
        at_step = "" if step is None else f" (step {step})"
        self.description = f"{prefix}{at_step}, built from its pipeline.config"
        self._on_device = functools.partial(tf.device, device) if device else contextlib.nullcontext
        self._resize, self._detect = _resizing(detector), _detecting(detector)

    def place(self, images: Sequence[np.ndarray]) -> list[tf.Tensor]:
        """The images, each a uint8 tensor."""
        with self._on_device():
            return [tf.constant(image) for image in images]

    def run(self, placed: Sequence[tf.Tensor]) -> list[Detections]:
        """The objects in each of the images that were placed."""
        try:
            with self._on_device():
                return self._found(placed)
        except tf.errors.OpError as error:
            sizes = ", ".join(dict.fromkeys(size_in_words(image.shape) for image in placed))
            what = "an image" if len(placed) == 1 else f"a batch of {len(placed)} images"
            raise DataError(f"{self.prefix} fails on {what} of shape {sizes}: {error.message}") from error

    def _found(self, placed: Sequence[tf.Tensor]) -> list[Detections]:
        resized = [self._resize(image) for image in placed]
        found: dict[int, Detections] = {}
        for group in groups_of([tuple(image.shape) for image, _ in resized]):
            images, shapes = (tf.stack([resized[index][part] for index in group]) for part in (0, 1))
            outputs = {name: value.numpy() for name, value in self._detect(images, shapes).items()}
            for place, index in enumerate(group):
                found[index] = self.named(Detections.from_outputs(outputs, place))
        return [found[index] for index in range(len(placed))]


def _resizing(detector: Detector) -> Callable:
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)], autograph=False)
    def resize(image):
        return detector.resize(tf.cast(image, tf.float32))

    return resize


def _detecting(detector: Detector) -> Callable:
    """Resized images to detections under TFOD's names, classes from 1; one trace for batches of all sizes."""
    size = detector.image_size or (None, None)
    signature = [tf.TensorSpec([None, *size, 3], tf.float32), tf.TensorSpec([None, 3], tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def detect(images, true_image_shapes):
        outputs = detector.detect(images, true_image_shapes)
        read = {name: tf.cast(outputs[name], tf.float32) for name in _OUTPUTS if name in outputs}
        return read | {"detection_classes": read["detection_classes"] + 1.0}

    return detect
