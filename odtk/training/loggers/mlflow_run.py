"""A run of MLflow: what TensorBoard shows, and the config."""

import logging
import os
import posixpath
import re
import time
from collections.abc import Callable, Sequence

import numpy as np

from odtk.evaluation.run import Evaluation
from odtk.training.loggers.csv_files import evaluation_row
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.loggers.service import RunId
from odtk.training.run_info import RunInfo

_MOST_AT_ONCE = 1000  # metrics in one request


class MlflowRun(Logger):
    """The library's own variables hold: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME."""

    def __init__(self, log: Callable[[str], None]):
        self._log = log

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger; raises the library's errors."""
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # Not the functions of `mlflow` itself, whose run belongs to one thread.
        self._client = mlflow.MlflowClient()
        run_id = RunId(info, "mlflow")
        self._run = self._continue(run_id.earlier(step)) or self._create(info)
        run_id.save(self._run)
        self._log(f"MLflow: run {info.name} ({self._run}) in {mlflow.get_tracking_uri()}")

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        self._log_rows("train", rows)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._log_rows("eval", [TrainingRow(step, evaluation_row(evaluation))])

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        self._client.log_image(self._run, pixels, key=_name(run, tag), step=step)

    def close(self, error: BaseException | None) -> None:
        """See Logger."""
        interrupted = isinstance(error, KeyboardInterrupt)
        self._client.set_terminated(self._run, "KILLED" if interrupted else "FAILED" if error else "FINISHED")

    def _continue(self, earlier: str | None) -> str | None:
        """The id of an earlier run that is there to be continued."""
        from mlflow.exceptions import MlflowException

        if earlier is None:
            return None
        try:
            self._client.update_run(earlier, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return earlier

    def _create(self, info: RunInfo) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "odtk")
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        run = self._client.create_run(experiment, run_name=info.name).info.run_id
        for key in ("batch_size", "num_steps", "num_records", "seed"):
            self._client.log_param(run, key, getattr(info, key))
        self._client.log_text(run, info.config_text, "pipeline.config")
        return run

    def _log_rows(self, run: str, rows: Sequence[TrainingRow]) -> None:
        from mlflow.entities import Metric

        now = time.time()
        metrics = [
            Metric(_name(run, name), value, int((now - row.seconds_ago) * 1000), row.step)
            for row in rows
            for name, value in row.scalars.items()
        ]
        for start in range(0, len(metrics), _MOST_AT_ONCE):
            self._client.log_batch(self._run, metrics[start : start + _MOST_AT_ONCE])


def _name(run: str, tag: str) -> str:
    """A name that MLflow accepts: a normal path of letters, digits and `_-. :`."""
    return posixpath.normpath(re.sub(r"[^\w.\-/ :]", "_", f"{run}/{tag}"))
