"""The interface between a detector family and the code that checks, edits or builds its configs."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.input_size import InputSize, fixed_sides
from odtk.errors import ConfigError
from odtk.findings import ERROR, Finding
from odtk.pipeline.support import FINE_TUNE_TYPES, Options, refuse_unsupported
from odtk.protos import image_resizer_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector


class Family(abc.ABC):
    """Detectors that are configured by the same messages and built by the same code.

    Everything except `build`, `anchor_grid` and `anchor_matching` works without TensorFlow. `model` is always a whole
    `model` message of this family (see odtk.detectors.families.of). The table `options` of a family only applies to its
    own models.
    """

    kind: str
    """The member of `model` that is set: "ssd"."""
    types: tuple[str, ...]
    """The values of feature_extractor.type in this family."""
    options: Options
    """Whether each field of `model` is implemented, without effect or refused."""
    fine_tune_types: tuple[str, ...] = FINE_TUNE_TYPES
    """The values of train_config.fine_tune_checkpoint_type that its detectors support."""
    variable_fields: tuple[str, ...] = ("num_classes", "feature_extractor.type")
    """Fields below `path` that decide which variables a detector has and their shapes: a checkpoint cannot be resumed
    after a change of one. (Whatever is not here is found out when the detector is built.)"""
    backbone_variables: str = "^model/_feature_extractor/classification_backbone/"
    """A regular expression of the checkpoint keys of its backbone's variables, for train_config.freeze_variables."""
    has_batch_norms: bool = True
    """Whether its detectors can have any."""
    batch_norm_switch: str | None = None
    """The field below `path`, dotted where it is deeper, that decides whether batch norms keep their statistics; None
    if there is no such field."""
    batch_norm_switch_keeps: bool = True
    """The value of that field with which they do."""
    usual_side: int = 640
    """Of the images in the zoo's configs, in pixels, which is suggested where a config sets no size."""
    checkpoint_marks: Mapping[str, tuple[str, ...]] = {
        "detection": ("model/_feature_extractor", "model/_box_predictor"),
        "classification": ("feature_extractor/",),
    }
    """The kinds of checkpoints with the prefixes of their variables' names; the first match counts."""

    @property
    def path(self) -> str:
        """The path of the message that is set: "model.ssd"."""
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
        """The message that is set, such as `model.ssd`."""
        return getattr(model, self.kind)

    def num_classes(self, model: model_pb2.DetectionModel) -> int:
        """The number of classes."""
        return self.message(model).num_classes

    def image_resizer(self, model: model_pb2.DetectionModel) -> image_resizer_pb2.ImageResizer:
        """The resizer of its input images."""
        return self.message(model).image_resizer

    def fixed_sides(self, model: model_pb2.DetectionModel) -> dict[str, int]:
        """The resizer's fields that set a side, and the sides in pixels; empty if they depend on the image."""
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

    def other_detector(self, model: model_pb2.DetectionModel) -> str:
        """Of a model of this member of `model`, whatever its type: the detector that it is and odtk does not have ("is
        an X, ..."); "" for others."""
        return ""

    def start_in_tfod(self, model: model_pb2.DetectionModel) -> str:
        """What TFOD starts from without a fine_tune_checkpoint where that is not random weights; "" for most models."""
        return ""

    @abc.abstractmethod
    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """The image sizes that the network accepts, and how images are padded to them."""

    @abc.abstractmethod
    def validate(self, model: model_pb2.DetectionModel) -> list[Finding]:
        """The findings on a model whose options are all implemented.

        Errors are for models that cannot be built or cannot work. Paths are complete (`model.ssd.num_classes`), and
        texts continue them ("is 0; ..."). `edits` fix the finding; an error without edits needs another model.
        """

    @abc.abstractmethod
    def build(self, model: model_pb2.DetectionModel) -> Detector:
        """The detector of a model that `require_buildable` accepts; its variables need not exist yet."""

    @abc.abstractmethod
    def anchor_matching(self, model: model_pb2.DetectionModel) -> AnchorMatching | None:
        """How training matches anchors; None for a family without anchors."""

    @abc.abstractmethod
    def anchor_grid(self, model: model_pb2.DetectionModel, image_size: tuple[int, int]) -> AnchorGrid | None:
        """The anchors in training for resized images of this (height, width); None for a family without anchors."""

    def anchor_sizes(
        self, model: model_pb2.DetectionModel, image_size: tuple[int, int] | None = None
    ) -> list[tuple[float, float]]:
        """Height and width in pixels of every kind of anchor; empty without anchors. Imports no TensorFlow.

        Some grow with the image: these are for resized images of this (height, width), by default the resizer's.
        """
        return []
