"""Builds the detector of a config."""

from odtk.detectors import families
from odtk.detectors.detector import Detector
from odtk.layers.precision import FLOAT32, layers_in
from odtk.protos import pipeline_pb2


def build_detector(config: pipeline_pb2.TrainEvalPipelineConfig, precision: str = FLOAT32) -> Detector:
    """The detector that a pipeline.config describes, with its variables made but not restored.

    Its network computes in `precision` (see odtk.layers.precision), everything else in float32.

    Raises ConfigError for a model that odtk does not have, for any option that would otherwise be ignored, and for a
    model that cannot be built.
    """
    # Only checks the model's options: those of training do not matter for evaluation or export.
    family = families.of(config)
    family.require_buildable(config.model)
    with layers_in(precision):
        detector = family.build(config.model)
    detector.fine_tune_types = family.fine_tune_types
    detector.add_regularization_loss = detector.has_penalties and config.train_config.add_regularization_loss
    detector.ensure_built()
    return detector
