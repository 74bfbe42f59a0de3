"""What the families of CenterNet have in common."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from odtk.detectors.center_net import validation
from odtk.detectors.family import Family
from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import number_of_classes
from odtk.findings import Finding
from odtk.protos import center_net_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.detector import CenterNetDetector
    from odtk.detectors.center_net.extractor import FeatureExtractor

_HEADS = (
    "object_center_params.center_head_params",
    "object_detection_task.scale_head_params",
    "object_detection_task.offset_head_params",
)
_COARSEST_STRIDE = 32


class CenterNetFamily(Family):
    """Subclasses define the feature extractor."""

    kind = "center_net"
    variable_fields = (
        *Family.variable_fields,
        "use_depthwise",
        *(f"{head}.{name}" for head in _HEADS for name in ("num_filters", "kernel_sizes")),
    )
    backbone_variables = "^model/_feature_extractor/_base_model/"
    usual_side = 512
    starts_from_imagenet = False
    """Whether TFOD downloads weights for the backbone where its depth_multiplier is 1."""
    checkpoint_marks: Mapping[str, tuple[str, ...]] = {
        "detection": ("model/_feature_extractor", "model/_prediction_head_dict"),
        "classification": ("feature_extractor/",),
    }

    @abc.abstractmethod
    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """The network before the heads. Imports TensorFlow."""

    def validate_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor, path: str) -> Iterator[Finding]:
        """The findings about the fields that this feature extractor alone has."""
        yield from ()

    def side_multiple(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> int:
        """What the sides of images are multiples of: the stride of the coarsest map."""
        return _COARSEST_STRIDE

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """See `Family`."""
        return InputSize(side_multiple=self.side_multiple(model.center_net.feature_extractor))

    def validate(self, model: model_pb2.DetectionModel) -> list[Finding]:
        """See `Family`."""
        message, extractor = model.center_net, f"{self.path}.feature_extractor"
        resizer, size = self.image_resizer_field, self.input_size(model)
        return [
            *number_of_classes(message.num_classes, self.num_classes_field),
            *validation.images(message.image_resizer, resizer, size, self.usual_side),
            *validation.preprocessing(message.feature_extractor, extractor),
            *self.validate_extractor(message.feature_extractor, extractor),
            *validation.tasks(message, self.path),
            *validation.suppression(message, self.path),
        ]

    def build(self, model: model_pb2.DetectionModel) -> CenterNetDetector:
        """See `Family`."""
        from odtk.detectors.center_net.build import build_center_net

        message = model.center_net
        return build_center_net(message, self.build_extractor(message.feature_extractor), self.input_size(model))

    def start_in_tfod(self, model: model_pb2.DetectionModel) -> str:
        """See `Family`."""
        extractor = model.center_net.feature_extractor
        is_keras_own = self.starts_from_imagenet and extractor.depth_multiplier == 1
        return "the backbone of this one from Keras's weights of ImageNet" if is_keras_own else ""

    def anchor_matching(self, model: model_pb2.DetectionModel) -> AnchorMatching | None:
        """There are no anchors."""
        return None

    def anchor_grid(self, model: model_pb2.DetectionModel, image_size: tuple[int, int]) -> AnchorGrid | None:
        """There are no anchors."""
        return None


def normalization(extractor: center_net_pb2.CenterNetFeatureExtractor) -> dict[str, Any]:
    """The arguments of odtk.detectors.center_net.preprocessing.build_preprocess that a config has."""
    return {
        "means": tuple(extractor.channel_means),
        "deviations": tuple(extractor.channel_stds),
        "swaps": extractor.bgr_ordering,
    }
