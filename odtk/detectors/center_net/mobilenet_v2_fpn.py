"""The family of TFOD's CenterNet with mobilenet_v2_fpn. Only building imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.center_net.family import CenterNetFamily, normalization
from odtk.detectors.center_net.options import CENTER_NET, extractor_options
from odtk.detectors.parts.validation import error, extractor_width, warning
from odtk.findings import Finding
from odtk.protos import center_net_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.extractor import FeatureExtractor

_SEPARABLE = "mobilenet_v2_fpn_sep_conv"
_MAPS = ("block_2", "block_5", "block_9", "out_relu")
_WIDTHS = (64, 32, 24)
_INTERPOLATIONS = ("nearest", "bilinear")


class MobilenetV2Fpn(CenterNetFamily):
    """Two names of one network: `use_separable_conv` makes its convolutions separable."""

    types = ("mobilenet_v2_fpn", _SEPARABLE)
    options = CENTER_NET | extractor_options("depth_multiplier use_separable_conv upsampling_interpolation")
    starts_from_imagenet = True
    variable_fields = (
        *CenterNetFamily.variable_fields,
        "feature_extractor.depth_multiplier",
        "feature_extractor.use_separable_conv",
    )

    def validate_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor, path: str) -> Iterator[Finding]:
        """See `CenterNetFamily`."""
        yield from extractor_width(extractor, path)
        if extractor.upsampling_interpolation not in _INTERPOLATIONS:
            field = f"{path}.upsampling_interpolation"
            text = f"is '{extractor.upsampling_interpolation}'; it is one of {', '.join(_INTERPOLATIONS)}."
            yield error(field, text, (field, ""))
        if extractor.type == _SEPARABLE and not extractor.HasField("use_separable_conv"):
            text = (
                f"is {_SEPARABLE}, and use_separable_conv is not set: TFOD makes plain convolutions then, and so does "
                "odtk. The other name of the same network is mobilenet_v2_fpn."
            )
            yield warning(f"{path}.type", text, (f"{path}.type", "mobilenet_v2_fpn"))

    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """See `CenterNetFamily`."""
        from odtk.detectors.center_net.extractor import FeatureExtractor, Layout
        from odtk.detectors.center_net.preprocessing import build_preprocess, to_unit_range
        from odtk.layers.backbone import Backbone
        from odtk.layers.mobilenet import UNREGULARIZED
        from odtk.layers.mobilenet_v2 import mobilenet_v2
        from odtk.layers.stride_four import merging

        backbone = Backbone(mobilenet_v2(UNREGULARIZED, extractor.depth_multiplier, outputs=_MAPS))
        network = merging(backbone.model, _WIDTHS, _is_separable(extractor), extractor.upsampling_interpolation)
        return FeatureExtractor(
            network=network,
            preprocess=build_preprocess(**normalization(extractor), of_backbone=to_unit_range),
            backbone=backbone,
            layout=Layout(
                whole="_feature_extractor_model", base="_base_model", maps="_fpn_model", input_has_shape=True
            ),
            name="center_net_mobilenet_v2_fpn",
        )


FAMILY = MobilenetV2Fpn()


def _is_separable(extractor: center_net_pb2.CenterNetFeatureExtractor) -> bool:
    # As TFOD: the name counts only where the field is set, to whatever value.
    is_set = extractor.HasField("use_separable_conv")
    return is_set and (extractor.use_separable_conv or extractor.type == _SEPARABLE)
