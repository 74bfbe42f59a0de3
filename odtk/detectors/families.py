"""The registry of detector families, found by a config's `model`. Without TensorFlow: only building imports it."""

import difflib
import functools
import importlib
import re
from collections.abc import Iterator

from odtk.detectors.family import Family
from odtk.errors import ConfigError
from odtk.protos import model_pb2, pipeline_pb2

# Modules with a FAMILY. They do not import TensorFlow; `build` imports the code that does.
MODULES = (
    "odtk.detectors.ssd.resnet_fpn",
    "odtk.detectors.ssd.mobilenet_fpn",
    "odtk.detectors.ssd.mobilenet",
    "odtk.detectors.ssd.efficientdet",
    "odtk.detectors.faster_rcnn.resnet",
    "odtk.detectors.faster_rcnn.resnet_fpn",
    "odtk.detectors.faster_rcnn.inception_resnet_v2",
    "odtk.detectors.center_net.resnet_v1_fpn",
    "odtk.detectors.center_net.resnet_v2",
    "odtk.detectors.center_net.mobilenet_v2_fpn",
    "odtk.detectors.center_net.mobilenet_v2",
    "odtk.detectors.center_net.hourglass",
)

# TFOD's models whose names are similar to a supported one: they are other networks, not misspellings.
_OTHER_MODELS = (
    "ssd_mobilenet_v1_ppn_keras",
    "ssd_mobilenet_v2_mnasfpn_keras",
    "ssd_resnet50_v1_ppn_keras",
    "ssd_resnet101_v1_ppn_keras",
    "ssd_resnet152_v1_ppn_keras",
)


def of(config: pipeline_pb2.TrainEvalPipelineConfig | model_pb2.DetectionModel) -> Family:
    """The family of a pipeline.config or of its `model`. Raises a ConfigError that lists all families without one."""
    family = find(config)
    if family is None:
        model = _model(config)
        kind = model.WhichOneof("model")
        what = f"model.{kind} of type '{type_of(model)}'" if kind else "An empty model"
        raise ConfigError(
            f"{what} is not one that odtk builds{other_detector(model)}. It has {described()}. Start from a shipped "
            "pipeline: `odtk configure --list` names them."
        )
    return family


def find(config: pipeline_pb2.TrainEvalPipelineConfig | model_pb2.DetectionModel) -> Family | None:
    """The family of a pipeline.config or of its `model`; None if odtk does not have it."""
    model = _model(config)
    kind, name = model.WhichOneof("model"), type_of(model)
    return next((family for family in families() if family.kind == kind and name in family.types), None)


def meant(config: pipeline_pb2.TrainEvalPipelineConfig | model_pb2.DetectionModel) -> str | None:
    """The supported type of which the feature_extractor.type of a model is likely a misspelling, or TFOD 1's name.

    TFOD 1's names lack the suffix `_keras`. A type with other numbers is another model, for which None is returned.
    """
    model = _model(config)
    typed, known = type_of(model).lower(), names(model.WhichOneof("model")) if model.WhichOneof("model") else ()
    bare = typed.removesuffix("_keras")
    for name in (typed, f"{bare}_keras", bare):
        candidates = (*known, *_OTHER_MODELS)
        same_numbers = [each for each in candidates if re.findall(r"\d+", each) == re.findall(r"\d+", name)]
        near = difflib.get_close_matches(name, same_numbers, n=1, cutoff=0.9)
        if near:
            return near[0] if near[0] in known else None
    return None


def other_detector(model: model_pb2.DetectionModel) -> str:
    """The clause ", as it is an X" for a detector that odtk does not have, configured by a message that it has."""
    of_kind = (family for family in families() if family.kind == model.WhichOneof("model"))
    found = {family.other_detector(model) for family in of_kind} - {""}
    return f", as it {found.pop()}" if found else ""


def names(kind: str | None = None) -> tuple[str, ...]:
    """Every supported feature_extractor.type, or those of one member of `model`."""
    return tuple(name for family in families() if kind in (None, family.kind) for name in family.types)


def kinds() -> frozenset[str]:
    """The members of the `model` oneof that have a family."""
    return frozenset(family.kind for family in families())


def described() -> str:
    """`names` as text, by member: "model.ssd with feature_extractor.type one of ..."."""
    of_kind: dict[str, list[str]] = {}
    for family in families():
        of_kind.setdefault(family.path, []).extend(family.types)
    return "; ".join(f"{path} with feature_extractor.type one of {', '.join(types)}" for path, types in of_kind.items())


def type_of(model: model_pb2.DetectionModel) -> str:
    """`feature_extractor.type` of the model that is set; empty if there is none."""
    kind = model.WhichOneof("model")
    return getattr(getattr(getattr(model, kind), "feature_extractor", None), "type", "") if kind else ""


def families() -> Iterator[Family]:
    """Every family."""
    return iter(_families())


@functools.cache
def _families() -> tuple[Family, ...]:
    return tuple(importlib.import_module(module).FAMILY for module in MODULES)


def _model(config) -> model_pb2.DetectionModel:
    return config.model if isinstance(config, pipeline_pb2.TrainEvalPipelineConfig) else config
