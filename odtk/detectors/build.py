"""Builds the detector of a config."""

from odtk.detectors import families
from odtk.detectors.detector import Detector
from odtk.protos import pipeline_pb2


def build_detector(config: pipeline_pb2.TrainEvalPipelineConfig) -> Detector:
    """The detector that a pipeline.config describes, with its variables made but not restored.

    Raises ConfigError for a model that odtk does not have, for any option that would otherwise be ignored, and for a
    model that cannot be built.
    """
    # Only options of the model: those of training do not matter for evaluation or export.
    family = families.of(config)
    family.require_buildable(config.model)
    detector = family.build(config.model)
    detector.fine_tune_types = family.fine_tune_types
    detector.add_regularization_loss = config.train_config.add_regularization_loss
    detector.ensure_built()
    return detector
