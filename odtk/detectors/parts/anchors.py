"""Builds anchors from an AnchorGenerator message."""

from odtk.boxes.anchors import MultiscaleAnchors
from odtk.boxes.flexible_anchors import FlexibleAnchors
from odtk.boxes.ssd_anchors import SsdAnchors
from odtk.detectors.parts.anchor_shapes import flexible_shapes_of, shapes_of
from odtk.protos import (
    anchor_generator_pb2,
    flexible_grid_anchor_generator_pb2,
    multiscale_anchor_generator_pb2,
    ssd_anchor_generator_pb2,
)

AnchorLayout = MultiscaleAnchors | SsdAnchors | FlexibleAnchors
"""What lays out anchors for each feature map: a function of (image_size, map_sizes, static)."""


def build_anchors(generator: anchor_generator_pb2.AnchorGenerator) -> AnchorLayout:
    """Anchors for each of the network's feature maps."""
    match generator.WhichOneof("anchor_generator_oneof"):
        case "ssd_anchor_generator":
            return build_ssd_anchors(generator.ssd_anchor_generator)
        case "flexible_grid_anchor_generator":
            return build_flexible_anchors(generator.flexible_grid_anchor_generator)
    return build_multiscale_anchors(generator.multiscale_anchor_generator)


def build_multiscale_anchors(grid: multiscale_anchor_generator_pb2.MultiscaleAnchorGenerator) -> MultiscaleAnchors:
    """One level for each of the network's feature maps."""
    return MultiscaleAnchors(
        grid.min_level, grid.max_level, grid.anchor_scale, tuple(grid.aspect_ratios), grid.scales_per_octave
    )


def build_ssd_anchors(grid: ssd_anchor_generator_pb2.SsdAnchorGenerator) -> SsdAnchors:
    """Its shapes for each of the network's feature maps."""
    return SsdAnchors(
        shapes_of(grid),
        base_size=(grid.base_anchor_height, grid.base_anchor_width),
        strides=tuple(zip(grid.height_stride, grid.width_stride, strict=False)),
        offsets=tuple(zip(grid.height_offset, grid.width_offset, strict=False)),
    )


def build_flexible_anchors(grids: flexible_grid_anchor_generator_pb2.FlexibleGridAnchorGenerator) -> FlexibleAnchors:
    """A grid for each of the network's feature maps."""
    return FlexibleAnchors(
        flexible_shapes_of(grids),
        strides=[(grid.height_stride, grid.width_stride) for grid in grids.anchor_grid],
        offsets=[(grid.height_offset, grid.width_offset) for grid in grids.anchor_grid],
    )
