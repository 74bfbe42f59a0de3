"""From a config's `model` to a detector: the one table of what odtk can build."""

from collections.abc import Callable

from odtk.detectors.detector import Detector
from odtk.detectors.ssd.build import build_ssd_resnet_fpn
from odtk.errors import ConfigError
from odtk.pipeline.support import refuse_unsupported
from odtk.protos import model_pb2, pipeline_pb2

BUILDERS: dict[str, Callable] = {
    "ssd_resnet50_v1_fpn_keras": build_ssd_resnet_fpn,
    "ssd_resnet101_v1_fpn_keras": build_ssd_resnet_fpn,
    "ssd_resnet152_v1_fpn_keras": build_ssd_resnet_fpn,
}


def build_detector(config: pipeline_pb2.TrainEvalPipelineConfig) -> Detector:
    """The detector that a pipeline.config describes, its variables made, their values not yet restored.

    Raises ConfigError for a model that odtk does not have and for any option that it would otherwise ignore.
    """
    # The model's alone: what trained it does not matter to those who evaluate or export it.
    refuse_unsupported(config.model, "model")
    detector = BUILDERS[_extractor_type(config.model)](config.model.ssd)
    detector.add_regularization_loss = config.train_config.add_regularization_loss
    detector.ensure_built()
    return detector


def _extractor_type(model: model_pb2.DetectionModel) -> str:
    kind = model.WhichOneof("model") or "nothing"
    name = getattr(model, kind).feature_extractor.type if kind in ("ssd", "faster_rcnn") else kind
    if kind != "ssd" or name not in BUILDERS:
        raise ConfigError(
            f"model.{kind} of type '{name}' is not one that odtk builds; it has model.ssd with feature_extractor.type "
            f"one of {', '.join(BUILDERS)}. Start from one of these: odtk configure --help names the shipped pipelines."
        )
    return name
