"""The contract between a detector family and everything that checks, edits or builds a config of it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.input_size import InputSize, fixed_sides
from odtk.errors import ConfigError
from odtk.findings import ERROR, Finding
from odtk.pipeline.support import Options, refuse_unsupported
from odtk.protos import image_resizer_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector

FINE_TUNE_TYPES = ("full", "detection", "classification")
"""The fine_tune_checkpoint_types of TFOD 2."""


class Family(abc.ABC):
    """Detectors that are described by the same part of a config and built by the same code.

    Everything but `build`, `anchor_grid` and `anchor_matching` answers without TensorFlow. `model` is always a whole
    `model` message, of this family (see odtk.detectors.families.of). Only what a family has itself is an option of it:
    its `options` are looked at for its models alone.
    """

    kind: str
    """The member of `model` that is set: "ssd"."""
    types: tuple[str, ...]
    """The values of feature_extractor.type that are of this family."""
    options: Options
    """What becomes of each field that `model` may set."""
    fine_tune_types: tuple[str, ...] = FINE_TUNE_TYPES
    """The values of train_config.fine_tune_checkpoint_type that its detectors know."""
    checkpoint_marks: Mapping[str, tuple[str, ...]] = {
        "detection": ("model/_feature_extractor", "model/_box_predictor"),
        "classification": ("feature_extractor/",),
    }
    """What kind of checkpoint it is, and how names of its variables begin; the first kind that is found counts."""

    @property
    def path(self) -> str:
        """Of the message that is set: "model.ssd"."""
        return f"model.{self.kind}"

    @property
    def num_classes_field(self) -> str:
        """Its dotted path."""
        return f"{self.path}.num_classes"

    @property
    def image_resizer_field(self) -> str:
        """Its dotted path."""
        return f"{self.path}.image_resizer"

    def message(self, model: model_pb2.DetectionModel):
        """The message that is set, `model.ssd` for one."""
        return getattr(model, self.kind)

    def num_classes(self, model: model_pb2.DetectionModel) -> int:
        """Classes of the label map that it tells apart."""
        return self.message(model).num_classes

    def image_resizer(self, model: model_pb2.DetectionModel) -> image_resizer_pb2.ImageResizer:
        """What brings images to its size."""
        return self.message(model).image_resizer

    def fixed_sides(self, model: model_pb2.DetectionModel) -> dict[str, int]:
        """The resizer's fields that set a side, and the sides in pixels; empty where these depend on the image."""
        return fixed_sides(self.image_resizer(model))

    def require_buildable(self, model: model_pb2.DetectionModel) -> None:
        """Raises ConfigError for any option that is not implemented and for every error that `validate` finds."""
        refuse_unsupported(model, "model", self.options)
        errors = [finding for finding in self.validate(model) if finding.severity == ERROR]
        if errors:
            raise ConfigError(
                "This model cannot be built: " + " ".join(f"{error.path} {error.text}" for error in errors)
                + " `odtk configure CONFIG --check` names the commands that fix it."
            )  # fmt: skip

    @abc.abstractmethod
    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """What the network takes, and how images are padded to it."""

    @abc.abstractmethod
    def validate(self, model: model_pb2.DetectionModel) -> list[Finding]:
        """What is wrong with a model whose options are all implemented, or worth knowing about it.

        An error is what cannot be built, or cannot work. Paths are whole (`model.ssd.num_classes`), texts go on from
        them ("is 0; ..."); `edits` fix it, and an error without any takes another model.
        """

    @abc.abstractmethod
    def build(self, model: model_pb2.DetectionModel) -> Detector:
        """The detector, of a model that `require_buildable` has passed; its variables need not be made yet."""

    @abc.abstractmethod
    def anchor_matching(self, model: model_pb2.DetectionModel) -> AnchorMatching | None:
        """How training matches anchors; None for a family without anchors."""

    @abc.abstractmethod
    def anchor_grid(self, model: model_pb2.DetectionModel, image_size: tuple[int, int]) -> AnchorGrid | None:
        """The anchors that training has for resized images of this (height, width); None for one without anchors."""
