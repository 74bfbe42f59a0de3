"""Evaluates the detector in training, on its present weights, for Orbit's controller."""

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
        self.advance: Callable[[int], None] = lambda num_images: None
        """Called during an evaluation with the number of images of each batch; `num_images` is that of all."""

    @property
    def num_images(self) -> int | None:
        """How many images an evaluation takes; None if they cannot be counted."""
        return self.measured.num_images

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """Orbit's method: the metrics and losses over all images; `num_steps` is not used."""
        with self.weights.in_place():
            self.latest = self.measured.run(self.advance)
        return self.latest.metrics
