"""Keeps the weights that were measured to be best, apart from the last checkpoints, in the model dir's best/."""

from odtk.checkpoints import best
from odtk.evaluation.run import Evaluation
from odtk.training.best_metric import BestMetric
from odtk.training.callbacks.callback import Callback
from odtk.training.experiment import Experiment
from odtk.training.loggers.csv_files import evaluation_row


class BestWeights(Callback):
    """Saves the full checkpoint of each evaluation that is at least as good as what best/ holds.

    Of equally good weights, those that were trained longer stay: their loss is usually lower. Official's
    BestCheckpointExporter is not used: it writes the metrics before the weights, so that a kill between the two leaves
    weights that were never measured so, and it compares NaN and -1 like any number.
    """

    def before_training(self, experiment: Experiment, num_steps: int) -> None:
        """See Callback."""
        self._experiment = experiment
        self._model_dir = experiment.info.model_dir
        best.tidy(self._model_dir)
        self.kept = best.read_best(self._model_dir)

    def after_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Callback."""
        metric = self._experiment.best_metric
        if metric is None or not self._experiment.workers.chiefs(self._is_best(metric, step, evaluation)):
            return
        self.kept = best.write_best(self._model_dir, step, metric.name, evaluation_row(evaluation), self._save)

    def _is_best(self, metric: BestMetric, step: int, evaluation: Evaluation) -> bool:
        value, kept = metric.of(evaluation), metric.value(self.kept.metrics) if self.kept else None
        if value is None or (kept is not None and metric.is_better(kept, value)):
            return False
        # Otherwise a resumed run is here again.
        return self.kept is None or (self.kept.step, kept) != (step, value)

    def _save(self, prefix: str) -> None:
        experiment = self._experiment
        assert experiment.evaluator is not None
        # Averages are in the checkpoint, too: who evaluates it takes them from there.
        with experiment.evaluator.weights.put_aside():
            experiment.trainer.checkpoint.write(prefix)
