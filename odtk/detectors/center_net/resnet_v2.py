"""The family of TFOD's CenterNet with resnet_v2_{50,101}. Only building imports TensorFlow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from odtk.detectors.center_net.family import CenterNetFamily, normalization
from odtk.detectors.center_net.options import CENTER_NET, extractor_options
from odtk.protos import center_net_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.extractor import FeatureExtractor

_WIDTHS = (256, 128, 64)


class ResnetV2(CenterNetFamily):
    """Its last map is upsampled by transposed convolutions."""

    types = ("resnet_v2_50", "resnet_v2_101")
    options = CENTER_NET | extractor_options()

    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """See `CenterNetFamily`."""
        from odtk.detectors.center_net.extractor import FeatureExtractor, Layout
        from odtk.detectors.center_net.preprocessing import build_preprocess, to_unit_range
        from odtk.layers.resnet_preactivated import preactivated_resnet
        from odtk.layers.stride_four import transposing

        backbone = preactivated_resnet(int(re.findall(r"v2_(\d+)", extractor.type)[0]))
        return FeatureExtractor(
            network=transposing(backbone.model, _WIDTHS, kernel_size=3),
            preprocess=build_preprocess(**normalization(extractor), of_backbone=to_unit_range),
            backbone=backbone,
            layout=Layout(whole="_feature_extractor_model", base="_base_model", maps="_resnet_model"),
            name="center_net_resnet_v2",
        )


FAMILY = ResnetV2()
