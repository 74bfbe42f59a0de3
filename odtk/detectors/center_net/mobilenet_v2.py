"""The family of TFOD's CenterNet with mobilenet_v2, without a feature pyramid. Only building imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.center_net.family import CenterNetFamily, normalization
from odtk.detectors.center_net.options import CENTER_NET, extractor_options
from odtk.detectors.parts.validation import extractor_width
from odtk.findings import Finding
from odtk.protos import center_net_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.extractor import FeatureExtractor

_WIDTHS = (256, 128, 64)


class MobilenetV2(CenterNetFamily):
    """What TFOD restores from a classifier includes the upsampling, so it is one that this network itself was."""

    types = ("mobilenet_v2",)
    options = CENTER_NET | extractor_options("depth_multiplier")
    starts_from_imagenet = True
    variable_fields = (*CenterNetFamily.variable_fields, "feature_extractor.depth_multiplier")
    backbone_variables = "^model/_feature_extractor/_network/layer_with_weights-0/"

    def validate_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor, path: str) -> Iterator[Finding]:
        """See `CenterNetFamily`."""
        yield from extractor_width(extractor, path)

    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """See `CenterNetFamily`."""
        from odtk.detectors.center_net.extractor import FeatureExtractor, Layout
        from odtk.detectors.center_net.preprocessing import build_preprocess, to_unit_range
        from odtk.layers.backbone import Backbone
        from odtk.layers.mobilenet import UNREGULARIZED
        from odtk.layers.mobilenet_v2 import mobilenet_v2
        from odtk.layers.stride_four import transposing

        backbone = Backbone(mobilenet_v2(UNREGULARIZED, extractor.depth_multiplier, outputs=("out_relu",)))
        return FeatureExtractor(
            network=transposing(backbone.model, _WIDTHS, kernel_size=1),
            preprocess=build_preprocess(**normalization(extractor), of_backbone=to_unit_range),
            backbone=backbone,
            layout=Layout(whole="_network", input_has_shape=True),
            name="center_net_mobilenet_v2",
        )


FAMILY = MobilenetV2()
