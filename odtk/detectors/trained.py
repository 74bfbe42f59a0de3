"""A detector with the weights of a checkpoint, to be evaluated or exported."""

import os
from collections.abc import Callable

from odtk.checkpoints.best import choose_checkpoint
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.layers.precision import FLOAT32
from odtk.protos import pipeline_pb2


def build_trained_detector(
    config: pipeline_pb2.TrainEvalPipelineConfig,
    model_dir: str | os.PathLike,
    checkpoint: str | os.PathLike | None,
    log: Callable[[str], None],
    verb: str,
    precision: str = FLOAT32,
) -> tuple[Detector, CheckpointReader]:
    """The detector of a pipeline.config with all weights of a checkpoint, and the reader of that checkpoint.

    `model_dir`, `checkpoint`, `log` and `verb`: see choose_checkpoint. The weights are the moving averages if
    `eval_config` says so. `precision`: of the network, see odtk.layers.precision. Raises ConfigError, and
    CheckpointError if the two do not match.
    """
    detector = build_detector(config, precision)
    reader = CheckpointReader(choose_checkpoint(model_dir, checkpoint, log, verb))
    slot = "average" if config.eval_config.use_moving_averages else None
    restore(detector.checkpoint_variables(), reader, slot=slot)
    return detector, reader
