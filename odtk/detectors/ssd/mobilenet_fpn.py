"""The family of TFOD's ssd_mobilenet_v{1,2}_fpn_keras, including FPNLite. Only building imports TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.validation import error, extractor_width, warning
from odtk.detectors.ssd.family import SsdFamily
from odtk.detectors.ssd.mobilenet_backbone import LEAST_SIDE, added_depth, build_backbone, stem_channels
from odtk.detectors.ssd.options import OF_OTHER_EXTRACTORS, SSD
from odtk.findings import Finding
from odtk.pipeline.support import Fields
from odtk.protos import model_pb2, ssd_pb2

if TYPE_CHECKING:
    from odtk.detectors.ssd.extractor import FeatureExtractor

# The backbone's maps, the inputs of the pyramid: strides 4 to 32.
_OUTPUTS = {
    "v1": ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
    "v2": ("block_2", "block_5", "block_12", "out_relu"),
}
_FINEST, _COARSEST = 2, 5
_USUAL_MAX_LEVEL = 7


class _Levels(NamedTuple):
    """The number of (last) backbone maps that the pyramid merges, and the number of coarser levels."""

    merged: int
    coarse: int

    @property
    def finest(self) -> int:
        return _COARSEST - self.merged + 1


class MobilenetFpn(SsdFamily):
    """The pyramid's levels are set by `fpn`; with `use_depthwise` it is FPNLite."""

    usual_side = 320
    types = ("ssd_mobilenet_v1_fpn_keras", "ssd_mobilenet_v2_fpn_keras")
    variable_fields = (*SsdFamily.variable_fields, "feature_extractor.use_depthwise")
    options = SSD | {
        "SsdFeatureExtractor": Fields(
            """type depth_multiplier min_depth conv_hyperparams override_base_feature_extractor_hyperparams
            pad_to_multiple use_explicit_padding use_depthwise fpn""",
            refused=OF_OTHER_EXTRACTORS
            | {"num_layers": "TFOD's feature extractors with `fpn` fail with it; fpn.max_level sets their levels"},
        ),
        "FeaturePyramidNetworks": Fields("min_level max_level additional_layer_depth"),
    }

    def levels(self, ssd: ssd_pb2.Ssd) -> tuple[int, int]:
        """See `SsdFamily`. If fpn.max_level is below 5, they differ from those in `fpn`."""
        levels = _levels(ssd.feature_extractor.fpn)
        return levels.finest, _COARSEST + levels.coarse

    def input_size(self, model: model_pb2.DetectionModel) -> InputSize:
        """See `Family`."""
        # With explicit padding the pyramid crops upsampled maps, so that maps of any size match.
        extractor, levels = model.ssd.feature_extractor, _levels(model.ssd.feature_extractor.fpn)
        if extractor.use_explicit_padding or levels.merged == 1:
            return self._padded_to(model, LEAST_SIDE)
        return self._padded_to(model, LEAST_SIDE, 2**_COARSEST, finest_stride=2**levels.finest)

    def validate_extractor(self, ssd: ssd_pb2.Ssd) -> Iterator[Finding]:
        """See `SsdFamily`."""
        extractor, path = ssd.feature_extractor, f"{self.path}.feature_extractor"
        yield from extractor_width(extractor, path)
        yield from _check_levels(extractor.fpn, f"{path}.fpn")
        if 0 < extractor.depth_multiplier < math.inf:
            yield from _check_channels(extractor, path)
            yield from stem_channels(extractor, path)

    def build_extractor(self, ssd: ssd_pb2.Ssd) -> FeatureExtractor:
        """See `SsdFamily`."""
        from odtk.detectors.parts.hyperparams import build_conv_params
        from odtk.detectors.ssd.extractor import FeatureExtractor
        from odtk.detectors.ssd.fpn_paths import with_empty_lists
        from odtk.layers import mobilenet
        from odtk.layers.fpn import FeaturePyramid

        extractor, levels = ssd.feature_extractor, _levels(ssd.feature_extractor.fpn)
        params = build_conv_params(extractor.conv_hyperparams)
        return FeatureExtractor(
            # TFOD does not thin the last layer of v2, though its code intends to: it has 1280 channels in FPNLite, too.
            backbone=build_backbone(extractor, params, _OUTPUTS, thin=extractor.use_depthwise),
            pyramid=FeaturePyramid(
                params,
                depth=_pyramid_depth(extractor),
                num_coarse=levels.coarse,
                num_merged=levels.merged,
                depthwise=extractor.use_depthwise,
                explicit_padding=extractor.use_explicit_padding,
                name="pyramid",
            ),
            preprocess=mobilenet.preprocess,
            color_of=mobilenet.color_of,
            channels=(_pyramid_depth(extractor),) * (levels.merged + levels.coarse),
            first_map=levels.finest - _FINEST,
            paths=with_empty_lists("_feature_blocks", *(["_conv_defs"] if extractor.use_depthwise else [])),
            name="ssd_mobilenet_fpn",
        )


FAMILY = MobilenetFpn()


def _levels(fpn) -> _Levels:
    """The levels; those of an invalid `fpn` are as the edits of `_check_levels` would make them."""
    lowest = min(max(fpn.min_level, _FINEST), _COARSEST)
    highest = fpn.max_level if fpn.max_level >= lowest else _USUAL_MAX_LEVEL
    return _Levels(min(highest, _COARSEST) + 1 - lowest, max(highest - _COARSEST, 0))


def _check_levels(fpn, path: str) -> Iterator[Finding]:
    lowest = min(max(fpn.min_level, _FINEST), _COARSEST)
    if fpn.min_level != lowest:
        text = f"is {fpn.min_level}; the backbone has maps of levels {_FINEST} to {_COARSEST}."
        yield error(f"{path}.min_level", text, (f"{path}.min_level", lowest))
    if fpn.max_level < lowest:
        text = f"is {fpn.max_level}, below the pyramid's min_level {lowest}."
        yield error(f"{path}.max_level", text, (f"{path}.max_level", _USUAL_MAX_LEVEL))
    elif fpn.max_level < _COARSEST:
        levels = _levels(fpn)
        strides = " and ".join(str(2**level) for level in range(levels.finest, _COARSEST + 1))
        text = (
            f"is {fpn.max_level}, below {_COARSEST}, the backbone's last map, which ends the pyramid all the same, as "
            f"in TFOD: its levels have strides {strides}. Named after these, the same network has levels "
            f"{levels.finest} to {_COARSEST}."
        )
        edits = ((f"{path}.min_level", levels.finest), (f"{path}.max_level", _COARSEST))
        yield warning(f"{path}.max_level", text, *edits)


def _check_channels(extractor: ssd_pb2.SsdFeatureExtractor, path: str) -> Iterator[Finding]:
    """Layers with 0 channels, which are only possible with a min_depth of 0."""
    if _pyramid_depth(extractor) < 1:
        field = f"{path}.fpn.additional_layer_depth"
        text = f"is {extractor.fpn.additional_layer_depth}: times depth_multiplier it leaves the pyramid no channel."
        yield error(field, text, (f"{path}.min_depth", 16))


def _pyramid_depth(extractor: ssd_pb2.SsdFeatureExtractor) -> int:
    return added_depth(extractor, extractor.fpn.additional_layer_depth)
