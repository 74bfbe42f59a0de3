"""The family of TFOD's CenterNet with hourglass_{10,20,32,52,104}. Only building imports TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtk.detectors.center_net.family import CenterNetFamily, normalization
from odtk.detectors.center_net.options import CENTER_NET, extractor_options
from odtk.protos import center_net_pb2

if TYPE_CHECKING:
    from odtk.detectors.center_net.extractor import FeatureExtractor

# By the number in the name: the stride of the innermost map.
_STRIDES = {10: 8, 20: 16, 32: 32, 52: 128, 104: 128}


class Hourglass(CenterNetFamily):
    """104 gives two maps, each with heads of its own; boxes are those of the last."""

    types = tuple(f"hourglass_{number}" for number in _STRIDES)
    options = CENTER_NET | extractor_options()
    fine_tune_types = ("full", "detection")
    backbone_variables = "^model/_feature_extractor/_network/"

    def side_multiple(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> int:
        """See `CenterNetFamily`."""
        return _STRIDES[_number(extractor)]

    def build_extractor(self, extractor: center_net_pb2.CenterNetFeatureExtractor) -> FeatureExtractor:
        """See `CenterNetFamily`."""
        from odtk.detectors.center_net.extractor import FeatureExtractor
        from odtk.detectors.center_net.preprocessing import build_preprocess
        from odtk.layers import hourglass

        shape = hourglass.SHAPES[_number(extractor)]
        return FeatureExtractor(
            network=hourglass.Hourglass(shape, name="hourglass"),
            preprocess=build_preprocess(**normalization(extractor)),
            num_outputs=shape.count,
            name="center_net_hourglass",
        )


FAMILY = Hourglass()


def _number(extractor: center_net_pb2.CenterNetFeatureExtractor) -> int:
    return int(extractor.type.rsplit("_", 1)[1])
