"""Evaluates the detector in training, on its present weights, for Orbit's controller."""

import time
from collections.abc import Callable

import orbit
import tensorflow as tf

from odtk.errors import DataError
from odtk.evaluation.build import ConfiguredEvaluation
from odtk.evaluation.run import Evaluation
from odtk.training.measured_weights import MeasuredWeights


class EvaluationImpossible(Exception):
    """The evaluation records cannot be used any more: training goes on without evaluations."""


class TrainingEvaluator(orbit.AbstractEvaluator):
    """What `odtk evaluate` measures, without saving and loading the weights."""

    def __init__(
        self,
        measured: ConfiguredEvaluation,
        weights: MeasuredWeights,
        is_required: bool = False,
        log: Callable[[str], None] = lambda line: None,
    ):
        """`is_required`: whether a DataError ends the training; otherwise `log` is told."""
        self.measured, self.weights = measured, weights
        self._is_required, self._log = is_required, log
        self.latest: Evaluation | None = None
        """The last result."""
        self.seconds: float | None = None
        """How long that took."""
        self.advance: Callable[[int], None] = lambda num_images: None
        """Called with each number of images that were evaluated at once; an exception ends the evaluation."""
        self.on_batch: Callable | None = None
        """Called with each batch and what was found on it; see run_evaluation."""

    @property
    def num_images(self) -> int | None:
        """How many images an evaluation takes; None if they cannot be counted."""
        return self.measured.num_images

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """Orbit's method: the metrics and losses over all images; `num_steps` is not used."""
        started = time.monotonic()
        try:
            with self.weights.in_place():
                self.latest = self._measure()
        except DataError as error:
            if self._is_required:
                raise
            self._log(f"warning: {error} Training goes on, but nothing more is evaluated.")
            raise EvaluationImpossible from error
        self.seconds = time.monotonic() - started
        return self.latest.metrics

    def _measure(self) -> Evaluation:
        found = self.measured.run(self.advance, self.on_batch)
        if not found.num_images:
            raise DataError("The records of eval_input_reader[0] have no image that can be used.")
        return found
