"""The family of TFOD's CenterNet with resnet_v1_{18,34,50,101}_fpn. Only building imports TensorFlow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from odtk.detectors.center_net.family import CenterNetFamily, normalization
from odtk.detectors.center_net.options import CENTER_NET, extractor_options
from odtk.protos import center_net_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.extractor import FeatureExtractor

_WIDTHS = (256, 128, 64)


class ResnetV1Fpn(CenterNetFamily):
    """50 and 101 are tf_keras.applications'; 18 and 34 are TFOD's own, with the activation before the convolution."""

    types = ("resnet_v1_50_fpn", "resnet_v1_101_fpn", "resnet_v1_18_fpn", "resnet_v1_34_fpn")
    options = CENTER_NET | extractor_options()

    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """See `CenterNetFamily`."""
        from odtk.detectors.center_net.extractor import FeatureExtractor, Layout
        from odtk.detectors.center_net.preprocessing import build_preprocess, to_resnet_v1
        from odtk.layers import resnet_preactivated, resnet_v1
        from odtk.layers.backbone import Backbone
        from odtk.layers.stride_four import merging

        depth = int(re.findall(r"v1_(\d+)_", extractor.type)[0])
        if depth in resnet_preactivated.BASIC:
            backbone = resnet_preactivated.preactivated_resnet(depth)
        else:
            backbone = Backbone(resnet_v1.resnet_v1(depth, resnet_v1.KERAS_DEFAULTS, as_keras=True))
        return FeatureExtractor(
            network=merging(backbone.model, _WIDTHS),
            preprocess=build_preprocess(**normalization(extractor), of_backbone=to_resnet_v1),
            backbone=backbone,
            layout=Layout(whole="_feature_extractor_model", base="_base_model", maps="_resnet_model"),
            name="center_net_resnet_v1_fpn",
        )


FAMILY = ResnetV1Fpn()
