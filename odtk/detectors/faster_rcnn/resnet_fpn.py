"""The family of TFOD's faster_rcnn_resnet{50,101,152}_fpn_keras. Only building imports TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.faster_rcnn.family import FasterRcnn
from odtk.detectors.faster_rcnn.options import FASTER_RCNN
from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error
from odtk.findings import Finding
from odtk.pipeline.support import Fields
from odtk.protos import faster_rcnn_pb2, model_pb2

if TYPE_CHECKING:
    from odtk.detectors.faster_rcnn.extractor import Extractor

# The levels of the backbone's maps; coarser ones are made by strided convolutions.
_FINEST, _COARSEST = 2, 5
# TFOD's values where the config has no `fpn`.
_LEVELS, _DEPTH = (2, 6), 256
_PAD_TO_MULTIPLE = 32
# What TFOD takes, and then ignores.
_STRIDES = (8, 16)


class ResnetFpn(FasterRcnn):
    """Proposals and crops come from the levels of a pyramid; two dense layers are the second stage's features."""

    types = ("faster_rcnn_resnet50_fpn_keras", "faster_rcnn_resnet101_fpn_keras", "faster_rcnn_resnet152_fpn_keras")
    backbone_variables = "^model/_feature_extractor_for_proposal_features/classification_backbone/"
    variable_fields = (
        *FasterRcnn.variable_fields,
        "feature_extractor.fpn.min_level",
        "feature_extractor.fpn.max_level",
        "feature_extractor.fpn.additional_layer_depth",
        "initial_crop_size",
        "maxpool_kernel_size",
        "maxpool_stride",
        "first_stage_anchor_generator.multiscale_anchor_generator.scales_per_octave",
    )
    options = FASTER_RCNN | {
        "FasterRcnnFeatureExtractor": Fields(
            """type first_stage_features_stride batch_norm_trainable conv_hyperparams
            override_base_feature_extractor_hyperparams fpn""",
            without_effect={
                "pad_to_multiple": "TFOD ignores it: the network always pads images to multiples of 32",
            },
        ),
        "FeaturePyramidNetworks": Fields("min_level max_level additional_layer_depth"),
    }

    def levels(self, model: faster_rcnn_pb2.FasterRcnn) -> tuple[int, int]:
        """See `FasterRcnn`; those of an invalid `fpn` are as the edits of `validate_extractor` would make them."""
        if not model.feature_extractor.HasField("fpn"):
            return _LEVELS
        fpn = model.feature_extractor.fpn
        lowest = min(max(fpn.min_level, _FINEST), _COARSEST)
        return lowest, fpn.max_level if fpn.max_level >= lowest else _LEVELS[1]

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """Any; the network pads them."""
        return InputSize(pad_to_multiple=_PAD_TO_MULTIPLE)

    def validate_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Iterator[Finding]:
        """See `FasterRcnn`."""
        extractor, path = model.feature_extractor, f"{self.path}.feature_extractor"
        stride = extractor.first_stage_features_stride
        if stride not in _STRIDES:
            field = f"{path}.first_stage_features_stride"
            yield error(field, f"is {stride}; a pyramid does not use it, but TFOD takes 8 or 16 only.", (field, ""))
        if not extractor.HasField("conv_hyperparams"):
            field = f"{path}.conv_hyperparams"
            yield error(field, "is not set; the pyramid needs it, and TFOD fails without.", (field, "{}"))
        if extractor.HasField("fpn"):
            yield from self._check_pyramid(model, f"{path}.fpn")

    def _check_pyramid(self, model: faster_rcnn_pb2.FasterRcnn, path: str) -> Iterator[Finding]:
        fpn, (lowest, highest) = model.feature_extractor.fpn, self.levels(model)
        if fpn.min_level != lowest:
            text = f"is {fpn.min_level}; the backbone has maps of levels {_FINEST} to {_COARSEST}."
            yield error(f"{path}.min_level", text, (f"{path}.min_level", lowest))
        if fpn.max_level != highest:
            text = f"is {fpn.max_level}, below the pyramid's min_level {lowest}."
            yield error(f"{path}.max_level", text, (f"{path}.max_level", highest))
        if fpn.additional_layer_depth < 1:
            field = f"{path}.additional_layer_depth"
            yield error(field, f"is {fpn.additional_layer_depth}; maps need channels.", (field, _DEPTH))

    def build_extractor(self, model: faster_rcnn_pb2.FasterRcnn) -> Extractor:
        """See `FasterRcnn`."""
        from odtk.detectors.faster_rcnn.checkpoint_keys import with_pyramid
        from odtk.detectors.faster_rcnn.extractor import Extractor
        from odtk.detectors.faster_rcnn.network import ProposalFeatures
        from odtk.detectors.parts.hyperparams import build_conv_params
        from odtk.layers import resnet_v1
        from odtk.layers.fpn import FeaturePyramid
        from odtk.layers.region_heads import DenseFeatures

        extractor, (first, last) = model.feature_extractor, self.levels(model)
        params = build_conv_params(extractor.conv_hyperparams)
        own = params if extractor.override_base_feature_extractor_hyperparams else resnet_v1.BACKBONE_DEFAULTS
        depth = int(re.findall(r"resnet(\d+)", extractor.type)[0])
        highest = min(last, _COARSEST)
        pyramid = FeaturePyramid(
            params,
            extractor.fpn.additional_layer_depth if extractor.HasField("fpn") else _DEPTH,
            num_coarse=last - highest,
            num_merged=highest + 1 - first,
            name="pyramid",
        )
        backbone, used = resnet_v1.resnet_v1(depth, own), slice(first - _FINEST, highest + 1 - _FINEST)
        return Extractor(
            features=ProposalFeatures(backbone, pyramid, used, _PAD_TO_MULTIPLE, name="features"),
            region_features=DenseFeatures(params, name="region_features"),
            preprocess=resnet_v1.preprocess,
            num_levels=last + 1 - first,
            layout=with_pyramid(first),
            name="faster_rcnn_resnet_fpn",
        )


FAMILY = ResnetFpn()
