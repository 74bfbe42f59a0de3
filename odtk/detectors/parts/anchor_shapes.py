"""The shapes of an ssd_anchor_generator's anchors. No TensorFlow."""

from odtk.boxes.ssd_shapes import Shape, even_scales, ssd_shapes
from odtk.protos import ssd_anchor_generator_pb2


def shapes_of(grid: ssd_anchor_generator_pb2.SsdAnchorGenerator) -> list[list[Shape]]:
    """Scale and aspect ratio of the anchors at each cell, by feature map."""
    return ssd_shapes(
        grid.num_layers,
        list(grid.scales) or even_scales(grid.num_layers, grid.min_scale, grid.max_scale),
        list(grid.aspect_ratios),
        grid.interpolated_scale_aspect_ratio,
        grid.reduce_boxes_in_lowest_layer,
    )
