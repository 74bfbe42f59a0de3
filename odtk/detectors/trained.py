"""A detector with the weights of a checkpoint, to be evaluated or exported."""

import os
from collections.abc import Callable

from odtk.checkpoints.newest import find_checkpoint
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.build import build_detector
from odtk.detectors.detector import Detector
from odtk.protos import pipeline_pb2


def build_trained_detector(
    config: pipeline_pb2.TrainEvalPipelineConfig, checkpoint: str | os.PathLike, log: Callable[[str], None]
) -> tuple[Detector, CheckpointReader]:
    """The detector of a pipeline.config with all weights of a checkpoint, and the reader of that checkpoint.

    `checkpoint` is a model dir (its newest), a prefix or an exported folder; `log` is called if another than a model
    dir's newest is used. The weights are the moving averages if `eval_config` says so. Raises ConfigError, and
    CheckpointError if the two do not match.
    """
    detector = build_detector(config)
    reader = CheckpointReader(find_checkpoint(checkpoint, log))
    slot = "average" if config.eval_config.use_moving_averages else None
    restore(detector.checkpoint_variables(), reader, slot=slot)
    return detector, reader
