"""The family of TFOD's faster_rcnn_inception_resnet_v2_keras. Only building imports TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.faster_rcnn.family import FasterRcnn
from odtk.detectors.faster_rcnn.options import FASTER_RCNN_WITHOUT_PYRAMID
from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error
from odtk.findings import Finding
from odtk.protos import faster_rcnn_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.faster_rcnn.extractor import Extractor

# The level of the map by its stride.
_LEVELS = {8: 3, 16: 4}
_USUAL_STRIDE = 16


class InceptionResnetV2(FasterRcnn):
    """The first stage has the backbone up to block17_20; the second one computes the rest on each crop of its map."""

    types = ("faster_rcnn_inception_resnet_v2_keras",)
    backbone_variables = "^model/_feature_extractor_for_(proposal|box_classifier)_features/"
    options = FASTER_RCNN_WITHOUT_PYRAMID

    def levels(self, model: faster_rcnn_pb2.FasterRcnn) -> tuple[int, int]:
        """See `FasterRcnn`; an invalid stride counts as the one that the edits of `validate_extractor` set."""
        stride = model.feature_extractor.first_stage_features_stride
        level = _LEVELS[stride if stride in _LEVELS and model.number_of_stages == 1 else _USUAL_STRIDE]
        return level, level

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """Any."""
        return InputSize()

    def validate_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        """See `FasterRcnn`."""
        stride, field = model.feature_extractor.first_stage_features_stride, self.path
        field = f"{field}.feature_extractor.first_stage_features_stride"
        if stride not in _LEVELS:
            yield error(field, f"is {stride}; the backbone's map has stride 16 or 8.", (field, _USUAL_STRIDE))
        elif stride != _USUAL_STRIDE and model.number_of_stages != 1:
            text = (
                f"is {stride}, which goes with number_of_stages: 1 only: TFOD makes the second stage's branches of "
                "unequal sizes then, and fails."
            )
            yield error(field, text, (field, _USUAL_STRIDE))

    def build_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Extractor:
        """See `FasterRcnn`."""
        from odtk.detectors.faster_rcnn.checkpoint_keys import SPLIT
        from odtk.detectors.faster_rcnn.extractor import Extractor
        from odtk.detectors.faster_rcnn.network import ProposalFeatures
        from odtk.layers import inception_resnet_v2

        backbone = inception_resnet_v2.inception_resnet_v2(stride=model.feature_extractor.first_stage_features_stride)
        return Extractor(
            features=ProposalFeatures(backbone, used_maps=slice(-1, None), name="features"),
            region_features=inception_resnet_v2.inception_resnet_v2_top(),
            preprocess=inception_resnet_v2.preprocess,
            num_levels=1,
            layout=dataclasses.replace(SPLIT, finest_level=self.levels(model)[0], has_input_shape=False),
            name="faster_rcnn_inception_resnet_v2",
        )


FAMILY = InceptionResnetV2()
