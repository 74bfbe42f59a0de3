"""Builds anchors from an AnchorGenerator message."""

from odtk.boxes.anchors import MultiscaleAnchors
from odtk.protos import multiscale_anchor_generator_pb2


def build_multiscale_anchors(grid: multiscale_anchor_generator_pb2.MultiscaleAnchorGenerator) -> MultiscaleAnchors:
    """One level for each of the network's feature maps."""
    return MultiscaleAnchors(
        grid.min_level, grid.max_level, grid.anchor_scale, tuple(grid.aspect_ratios), grid.scales_per_octave
    )
