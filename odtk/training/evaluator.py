"""Evaluates the detector in training, on its present weights, for Orbit's controller."""

import time
from collections.abc import Callable

import orbit
import tensorflow as tf

from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.run import Evaluation
from odtk.training.measured_weights import MeasuredWeights


class TrainingEvaluator(orbit.AbstractEvaluator):
    """What `odtk evaluate` measures, without saving and loading the weights."""

    def __init__(self, measured: ConfiguredEvaluation, weights: MeasuredWeights):
        self.measured, self.weights = measured, weights
        self.latest: Evaluation | None = None
        """The last result."""
        self.seconds: float | None = None
        """How long that took."""
        self.advance: Callable[[int], None] = lambda num_images: None
        """Called after each batch with its number of images (`num_images` is that of all); an exception ends it."""
        self.on_batch: Callable | None = None
        """Called with each batch and what was found on it; see run_evaluation."""

    @property
    def num_images(self) -> int | None:
        """How many images an evaluation takes; None if they cannot be counted."""
        return self.measured.num_images

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """Orbit's method: the metrics and losses over all images; `num_steps` is not used."""
        started = time.monotonic()
        with self.weights.in_place():
            self.latest = self.measured.run(self.advance, self.on_batch)
        self.seconds = time.monotonic() - started
        return self.latest.metrics
