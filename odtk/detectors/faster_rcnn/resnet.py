"""The family of TFOD's faster_rcnn_resnet{50,101,152}_keras. Only building imports TensorFlow."""

from __future__ import annotations

import dataclasses
import re
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

_LEVEL, _STRIDE = 4, 16


class Resnet(FasterRcnn):
    """The first stage has the backbone up to conv4; the second one computes conv5 on each crop of its output."""

    types = ("faster_rcnn_resnet50_keras", "faster_rcnn_resnet101_keras", "faster_rcnn_resnet152_keras")
    backbone_variables = "^model/_feature_extractor_for_(proposal|box_classifier)_features/"
    options = FASTER_RCNN_WITHOUT_PYRAMID

    def levels(self, model: faster_rcnn_pb2.FasterRcnn) -> tuple[int, int]:
        """See `FasterRcnn`."""
        return _LEVEL, _LEVEL

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """Any."""
        return InputSize()

    def validate_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        """See `FasterRcnn`."""
        stride, field = model.feature_extractor.first_stage_features_stride, "feature_extractor"
        if stride != _STRIDE:
            field = f"{self.path}.{field}.first_stage_features_stride"
            yield error(field, f"is {stride}; the backbone's map has stride {_STRIDE}.", (field, _STRIDE))

    def build_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Extractor:
        """See `FasterRcnn`."""
        from odtk.detectors.faster_rcnn.checkpoint_keys import SPLIT
        from odtk.detectors.faster_rcnn.extractor import Extractor
        from odtk.detectors.faster_rcnn.network import ProposalFeatures
        from odtk.layers import resnet_v1

        depth = int(re.findall(r"resnet(\d+)", model.feature_extractor.type)[0])
        # TFOD's extractor has a weight decay of 0.
        params = dataclasses.replace(resnet_v1.BACKBONE_DEFAULTS, regularizer=None)
        backbone = resnet_v1.resnet_v1(depth, params, last_stage=_LEVEL)
        return Extractor(
            features=ProposalFeatures(backbone, used_maps=slice(-1, None), name="features"),
            region_features=resnet_v1.resnet_v1_conv5(params),
            preprocess=resnet_v1.preprocess,
            num_levels=1,
            layout=SPLIT,
            name="faster_rcnn_resnet",
        )


FAMILY = Resnet()
