"""Builds anchors from an AnchorGenerator message."""

from odtk.boxes.anchors import MultiscaleAnchors
from odtk.boxes.ssd_anchors import SsdAnchors
from odtk.detectors.parts.anchor_shapes import shapes_of
from odtk.protos import anchor_generator_pb2, multiscale_anchor_generator_pb2, ssd_anchor_generator_pb2


def build_anchors(generator: anchor_generator_pb2.AnchorGenerator) -> MultiscaleAnchors | SsdAnchors:
    """Anchors for each of the network's feature maps."""
    if generator.HasField("ssd_anchor_generator"):
        return build_ssd_anchors(generator.ssd_anchor_generator)
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
