"""Takes a detector's place in an evaluation on records: what finds objects in pictures without being built here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from odtk.detections import Detections
from odtk.evaluation.step import EvaluationStep

Detect = Callable[[Sequence[str], Sequence[np.ndarray]], Sequence[Detections]]
"""Names and pixels (uint8 [height, width, 3]) of images to their detections, with the groundtruth's class ids."""


class OutsideModel:
    """What ConfiguredEvaluation reads of a detector: pictures stay as they are, and there are no losses."""

    loss_names: tuple[str, ...] = ()
    loss_meanings: ClassVar[Mapping[str, str]] = {}

    def __init__(self, num_classes: int):
        self.num_classes = num_classes

    def resize(self, image: Any) -> tuple[Any, Any]:
        """The image [height, width, 3] itself, and its shape."""
        return image, tf.shape(image)


def outside_step(detect: Detect, at_once: int = 1) -> EvaluationStep:
    """A step that gives `detect` so many images at once; the evaluation's batches have one image each."""

    def run(batches: Sequence) -> list:
        names = [features["source_id"][0].numpy().decode("utf-8", "replace") for features, _ in batches]
        pixels = [features["image"][0].numpy().astype(np.uint8) for features, _ in batches]
        return [(_as_batch(found), {}) for found in detect(names, pixels)]

    return EvaluationStep(at_once, run)


def _as_batch(found: Detections) -> dict[str, tf.Tensor]:
    return {
        "boxes": tf.constant(found.boxes)[None],
        "classes": tf.constant(found.classes - 1)[None],
        "scores": tf.constant(found.scores)[None],
        "count": tf.constant([len(found)]),
    }
