"""Evaluates the detector in training, on its present weights, for Orbit's controller."""

from collections.abc import Callable

import orbit
import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.evaluation.metrics_sets import build_categories, build_evaluators
from odtk.evaluation.run import Evaluation, evaluation_step, run_evaluation
from odtk.inputs.build import build_eval_dataset
from odtk.protos import pipeline_pb2


class TrainingEvaluator(orbit.AbstractEvaluator):
    """What `odtk evaluate` measures, without saving and loading the weights; it is traced once for all evaluations."""

    def __init__(self, config: pipeline_pb2.TrainEvalPipelineConfig, model: Detector):
        self._config, self._model = config, model
        self._dataset: tf.data.Dataset | None = None
        self._step: Callable | None = None
        self.latest: Evaluation | None = None
        """The last result."""
        self.on_batch: Callable | None = None
        """Called with each batch, see run_evaluation."""

    def evaluate(self, num_steps: tf.Tensor) -> dict[str, float]:
        """Orbit's method: the metrics and losses over all images; `num_steps` is not used."""
        if self._dataset is None:
            self._dataset = build_eval_dataset(self._config, self._model.resize, self._model.num_classes)
            with_loss = not self._config.eval_config.use_dummy_loss_in_eval
            self._step = evaluation_step(self._model, self._dataset.element_spec, with_loss)
        categories = build_categories(self._config, self._model.num_classes)
        evaluators = build_evaluators(self._config.eval_config, categories)
        self.latest = run_evaluation(self._model, self._dataset, evaluators, step=self._step, on_batch=self.on_batch)
        return self.latest.metrics
