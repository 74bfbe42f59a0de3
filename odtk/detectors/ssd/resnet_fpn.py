"""The family of TFOD's ssd_resnet{50,101,152}_v1_fpn_keras. Only building imports TensorFlow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error, extractor_width, warning
from odtk.detectors.ssd.family import SsdFamily
from odtk.detectors.ssd.options import OF_OTHER_EXTRACTORS, SSD
from odtk.findings import Finding
from odtk.pipeline.support import Fields
from odtk.protos import model_pb2, ssd_pb2

if TYPE_CHECKING:
    from odtk.detectors.ssd.extractor import FeatureExtractor

# Whatever `fpn {}` is set to: TFOD ignores it.
_FPN = {"min_level": 3, "max_level": 7, "additional_layer_depth": 256}

# Filters of the backbone's narrowest convolutions.
_NARROWEST = 64
# TFOD's feature extractor refuses smaller images; it checks before padding.
_LEAST_SIDE = 129
# The pyramid upsamples by 2, from stride 32 on, so that sides must be multiples of it.
_MERGE_STRIDE = 32


class ResnetFpn(SsdFamily):
    """Levels 3 to 5 come from the backbone; there are two coarser ones."""

    types = ("ssd_resnet50_v1_fpn_keras", "ssd_resnet101_v1_fpn_keras", "ssd_resnet152_v1_fpn_keras")
    options = SSD | {
        "SsdFeatureExtractor": Fields(
            """type depth_multiplier min_depth conv_hyperparams pad_to_multiple
            override_base_feature_extractor_hyperparams""",
            without_effect={
                "fpn": "TFOD ignores it for this family: levels are always 3 to 7, the depth is 256 * depth_multiplier",
                "use_explicit_padding": "TFOD ignores it for this family",
                "use_depthwise": "TFOD ignores it for this family; the box predictor has its own use_depthwise",
                "num_layers": "it is for SSDs without a pyramid, and TFOD fails with it here; levels are always 3 to 7",
            },
            refused=OF_OTHER_EXTRACTORS,
        )
    }

    def levels(self, ssd: ssd_pb2.Ssd) -> tuple[int, int]:
        """See `SsdFamily`."""
        return _FPN["min_level"], _FPN["max_level"]

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """See `Family`."""
        return self._padded_to(model, _LEAST_SIDE, _MERGE_STRIDE)

    def validate_extractor(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        """See `SsdFamily`."""
        extractor, path = ssd.feature_extractor, f"{self.path}.feature_extractor"
        yield from extractor_width(extractor, path)
        multiplier = extractor.depth_multiplier
        if 0 < multiplier < math.inf and max(int(_NARROWEST * multiplier), extractor.min_depth) < 1:
            text = f"is {multiplier:g}: it leaves the first layers no channel."
            yield error(f"{path}.depth_multiplier", text, (f"{path}.min_depth", 16))
        for name, value in _FPN.items():
            if extractor.HasField("fpn") and getattr(extractor.fpn, name) != value:
                text = (
                    f"is {getattr(extractor.fpn, name)}, which TFOD ignores for this family, and odtk with it: the "
                    f"pyramid has {name} {value}" + (" times depth_multiplier" * name.endswith("depth")) + "."
                )
                yield warning(f"{path}.fpn.{name}", text, (f"{path}.fpn.{name}", value))

    def build_extractor(self, ssd: ssd_pb2.Ssd) -> FeatureExtractor:
        """See `SsdFamily`."""
        from odtk.detectors.parts.hyperparams import build_conv_params
        from odtk.detectors.ssd.extractor import FeatureExtractor
        from odtk.detectors.ssd.fpn_paths import with_empty_lists
        from odtk.layers import resnet_v1
        from odtk.layers.fpn import FeaturePyramid

        extractor = ssd.feature_extractor
        params = build_conv_params(extractor.conv_hyperparams)
        own = params if extractor.override_base_feature_extractor_hyperparams else resnet_v1.BACKBONE_DEFAULTS
        network_depth = int(re.findall(r"resnet(\d+)", extractor.type)[0])
        multiplier, least = extractor.depth_multiplier, extractor.min_depth
        depth = max(int(_FPN["additional_layer_depth"] * multiplier), least)
        return FeatureExtractor(
            backbone=resnet_v1.resnet_v1(network_depth, own, multiplier, least),
            pyramid=FeaturePyramid(params, depth, name="pyramid"),
            preprocess=resnet_v1.preprocess,
            color_of=resnet_v1.color_of,
            channels=(depth,) * (_FPN["max_level"] - _FPN["min_level"] + 1),
            first_map=1,
            paths=with_empty_lists("_resnet_block_names"),
            name="ssd_resnet_fpn",
        )


FAMILY = ResnetFpn()
