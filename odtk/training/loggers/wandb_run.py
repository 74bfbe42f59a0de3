"""A run of Weights & Biases: what TensorBoard shows, and the config."""

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from google.protobuf import json_format

from odtk import files, pipeline
from odtk.evaluation.run import Evaluation
from odtk.training.loggers.csv_files import evaluation_row
from odtk.training.loggers.logger import Logger, TrainingRow
from odtk.training.loggers.service import RunId, new_id
from odtk.training.run_info import RunInfo

_STEP = "step"


class WandbRun(Logger):
    """The library's own variables hold: WANDB_MODE=offline, WANDB_PROJECT, WANDB_ENTITY, WANDB_DIR."""

    def __init__(self, log: Callable[[str], None]):
        self._log = log

    def start(self, info: RunInfo, step: int) -> None:
        """See Logger; raises the library's errors."""
        os.environ.setdefault("WANDB_SILENT", "true")  # also its warnings; and it asks for no key
        import wandb

        run_id = RunId(info, "wandb")
        earlier = run_id.earlier(step)
        given = files.is_remote(info.model_dir) or "WANDB_DIR" in os.environ
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "odtk"),
            name=None if earlier else info.name,  # it may have been renamed there
            id=earlier or new_id(),
            resume="allow",
            dir=None if given else info.model_dir,
            config=_config(info),
            # Without a copy of everything that is printed.
            settings=wandb.Settings(silent=True, console="off"),
        )
        run_id.save(self._run.id)
        # The library's own step cannot go back, as a resumed training does.
        self._run.define_metric(_STEP)
        self._run.define_metric("*", step_metric=_STEP)
        self._log(self._place())

    def log_training(self, rows: Sequence[TrainingRow]) -> None:
        """See Logger."""
        for row in rows:
            self._log_values("train", row.step, row.scalars)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """See Logger."""
        self._log_values("eval", step, evaluation_row(evaluation))

    def log_picture(self, step: int, run: str, tag: str, pixels: np.ndarray) -> None:
        """See Logger."""
        import wandb

        self._log_values(run, step, {tag: wandb.Image(pixels)})

    def close(self, error: BaseException | None) -> None:
        """See Logger."""
        self._run.finish(exit_code=1 if error else 0)

    def _log_values(self, run: str, step: int, values: Mapping) -> None:
        self._run.log({_STEP: step, **{f"{run}/{name}": value for name, value in values.items()}})

    def _place(self) -> str:
        if self._run.offline:
            return f"Weights & Biases is offline. To upload the run later: wandb sync {self._run.settings.sync_dir}"
        return f"Weights & Biases: {self._run.url}"


def _config(info: RunInfo) -> dict:
    """What the service filters and compares runs by; the config nested as in its file."""
    config = pipeline.parse(info.config_text, "pipeline.config")
    return {
        "batch_size": info.batch_size,
        "num_steps": info.num_steps,
        "num_records": info.num_records,
        "seed": info.seed,
        "pipeline": json_format.MessageToDict(config, preserving_proto_field_name=True),
    }
