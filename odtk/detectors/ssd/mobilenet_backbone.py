"""What the families with a MobileNet backbone share. Only `build_backbone` imports TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from odtk.detectors.parts.validation import error
from odtk.findings import Finding
from odtk.protos import ssd_pb2

if TYPE_CHECKING:
    from odtk.layers.conv import ConvParams

# TFOD's feature extractors refuse smaller images; they check before padding.
LEAST_SIDE = 33


def is_v1(extractor: ssd_pb2.SsdFeatureExtractor) -> bool:
    """Whether it is MobileNet v1's; the other one is v2."""
    return "_v1_" in extractor.type


def added_depth(extractor: ssd_pb2.SsdFeatureExtractor, depth: int) -> int:
    """Channels of a layer on top of the backbone that has `depth` at a depth_multiplier of 1."""
    return max(int(depth * extractor.depth_multiplier), extractor.min_depth)


def stem_channels(extractor: ssd_pb2.SsdFeatureExtractor, path: str) -> Iterator[Finding]:
    """A first layer with 0 channels, which is only possible with a min_depth of 0."""
    multiplier = extractor.depth_multiplier
    # MobileNet v1's, to which TFOD applies the multiplier twice. V2's layers have at least 8 channels.
    if is_v1(extractor) and max(int(int(32 * multiplier) * multiplier), extractor.min_depth) < 1:
        text = f"is {multiplier:g}: it leaves the first layer no channel."
        yield error(f"{path}.depth_multiplier", text, (f"{path}.min_depth", 16))


def build_backbone(
    extractor: ssd_pb2.SsdFeatureExtractor,
    params: ConvParams,
    outputs: Mapping[str, tuple[str, ...]],
    thin: bool = False,
):
    """A tf_keras model that gives its version's `outputs`, by "v1" and "v2"; `thin` the last layers of v1."""
    from odtk.layers import mobilenet
    from odtk.layers.mobilenet_v1 import mobilenet_v1
    from odtk.layers.mobilenet_v2 import mobilenet_v2

    own = extractor.override_base_feature_extractor_hyperparams
    options: dict[str, Any] = {
        "params": params if own else mobilenet.BACKBONE_DEFAULTS,
        "alpha": extractor.depth_multiplier,
        "min_depth": extractor.min_depth,
        "explicit_padding": extractor.use_explicit_padding,
    }
    if is_v1(extractor):
        return mobilenet_v1(thin=thin, outputs=outputs["v1"], **options)
    return mobilenet_v2(outputs=outputs["v2"], **options)
