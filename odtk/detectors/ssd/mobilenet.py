"""The family of TFOD's ssd_mobilenet_v{1,2}_keras: SSDs without a feature pyramid. Only building imports TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error, extractor_width, warning
from odtk.detectors.ssd.family import SsdFamily
from odtk.detectors.ssd.mobilenet_backbone import LEAST_SIDE, added_depth, build_backbone, is_v1, stem_channels
from odtk.detectors.ssd.options import OF_OTHER_EXTRACTORS, SSD
from odtk.findings import Finding
from odtk.pipeline.support import Fields
from odtk.protos import model_pb2, ssd_pb2

if TYPE_CHECKING:
    from odtk.detectors.ssd.extractor import FeatureExtractor

# The backbone's maps: the last with stride 16, and that with stride 32.
_OUTPUTS = {"v1": ("conv_pw_11_relu", "conv_pw_13_relu"), "v2": ("block_13_expand_relu", "out_relu")}
_FINEST = 4
# Channels of the coarser ones, each with half the side of the one before.
_EXTRA_DEPTHS = (512, 256, 256, 128)
_MOST_MAPS = 2 + len(_EXTRA_DEPTHS)


class Mobilenet(SsdFamily):
    """Its maps are two of the backbone, and up to four that are added to them."""

    usual_side = 320
    types = ("ssd_mobilenet_v1_keras", "ssd_mobilenet_v2_keras")
    variable_fields = (
        *SsdFamily.variable_fields,
        "feature_extractor.use_depthwise",
        "feature_extractor.num_layers",
    )
    options = SSD | {
        "SsdFeatureExtractor": Fields(
            """type depth_multiplier min_depth conv_hyperparams override_base_feature_extractor_hyperparams
            pad_to_multiple use_explicit_padding use_depthwise num_layers""",
            refused=OF_OTHER_EXTRACTORS
            | {
                "fpn": "this model has no feature pyramid, and TFOD's fails with it; ssd_mobilenet_v2_fpn_keras has one"
            },
        ),
    }

    def levels(self, ssd: ssd_pb2.Ssd) -> tuple[int, int]:
        """See `SsdFamily`."""
        return _FINEST, _FINEST + _num_maps(ssd.feature_extractor) - 1

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """See `Family`."""
        return self._padded_to(model, LEAST_SIDE)

    def validate_extractor(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        """See `SsdFamily`."""
        extractor, path = ssd.feature_extractor, f"{self.path}.feature_extractor"
        yield from extractor_width(extractor, path)
        field = f"{path}.num_layers"
        if extractor.num_layers < 1:
            text = f"is {extractor.num_layers}; boxes are predicted from 1 to {_MOST_MAPS} maps."
            yield error(field, text, (field, _MOST_MAPS))
        elif extractor.num_layers > _MOST_MAPS:
            text = f"is {extractor.num_layers}, but TFOD's network has {_MOST_MAPS} maps at most, and so has odtk's."
            yield warning(field, text, (field, _MOST_MAPS))
        if 0 < extractor.depth_multiplier < math.inf:
            yield from stem_channels(extractor, path)
            yield from _extra_channels(extractor, path)

    def build_extractor(self, ssd: ssd_pb2.Ssd) -> FeatureExtractor:
        """See `SsdFamily`."""
        from odtk.detectors.parts.hyperparams import build_conv_params
        from odtk.detectors.ssd.extra_maps_paths import named
        from odtk.detectors.ssd.extractor import FeatureExtractor
        from odtk.layers import mobilenet
        from odtk.layers.extra_maps import ExtraMaps

        extractor = ssd.feature_extractor
        params, depths = build_conv_params(extractor.conv_hyperparams), _extra_depths(extractor)
        backbone = build_backbone(extractor, params, _OUTPUTS)
        own = [output.shape[-1] for output in backbone.outputs][: _num_maps(extractor)]
        return FeatureExtractor(
            backbone=backbone,
            pyramid=ExtraMaps(
                params,
                depths,
                num_own=len(own),
                depthwise=extractor.use_depthwise,
                explicit_padding=extractor.use_explicit_padding,
                name="extra_maps",
            ),
            preprocess=mobilenet.preprocess,
            color_of=mobilenet.color_of,
            channels=(*own, *(depth for _, depth in depths)),
            paths=named("_feature_map_generator" if is_v1(extractor) else "feature_map_generator"),
            name="ssd_mobilenet",
        )


FAMILY = Mobilenet()


def _num_maps(extractor: ssd_pb2.SsdFeatureExtractor) -> int:
    """The number of maps; that of an invalid `num_layers` is as its edit would make it."""
    return min(extractor.num_layers, _MOST_MAPS) if extractor.num_layers > 0 else _MOST_MAPS


def _extra_depths(extractor: ssd_pb2.SsdFeatureExtractor) -> list[tuple[int, int]]:
    """Channels of each extra map's two convolutions."""
    depths = _EXTRA_DEPTHS[: max(_num_maps(extractor) - 2, 0)]
    return [(added_depth(extractor, depth // 2), added_depth(extractor, depth)) for depth in depths]


def _extra_channels(extractor: ssd_pb2.SsdFeatureExtractor, path: str) -> Iterator[Finding]:
    if any(min(depths) < 1 for depths in _extra_depths(extractor)):
        text = f"is {extractor.depth_multiplier:g}: it leaves the layers after the backbone no channel."
        yield error(f"{path}.depth_multiplier", text, (f"{path}.min_depth", 16))
