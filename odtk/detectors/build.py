"""From a config to its detector."""

from odtk.detectors import families
from odtk.detectors.detector import Detector
from odtk.protos import pipeline_pb2


def build_detector(config: pipeline_pb2.TrainEvalPipelineConfig) -> Detector:
    """The detector that a pipeline.config describes, its variables made, their values not yet restored.

    Raises ConfigError for a model that odtk does not have, for any option that it would otherwise ignore, and for a
    model that cannot be built.
    """
    # The model's alone: what trained it does not matter to those who evaluate or export it.
    family = families.of(config)
    family.require_buildable(config.model)
    detector = family.build(config.model)
    detector.add_regularization_loss = config.train_config.add_regularization_loss
    detector.ensure_built()
    return detector
