"""The shapes of the anchors of generators that have other ones for each feature map. No TensorFlow."""

from odtk.boxes.ssd_shapes import Shape, even_scales, ssd_shapes
from odtk.protos import flexible_grid_anchor_generator_pb2, ssd_anchor_generator_pb2


def shapes_of(grid: ssd_anchor_generator_pb2.SsdAnchorGenerator) -> list[list[Shape]]:
    """Of an ssd_anchor_generator: scale and aspect ratio of the anchors at each cell, by feature map."""
    return ssd_shapes(
        grid.num_layers,
        list(grid.scales) or even_scales(grid.num_layers, grid.min_scale, grid.max_scale),
        list(grid.aspect_ratios),
        grid.interpolated_scale_aspect_ratio,
        grid.reduce_boxes_in_lowest_layer,
    )


def flexible_shapes_of(
    grids: flexible_grid_anchor_generator_pb2.FlexibleGridAnchorGenerator,
) -> list[list[Shape]]:
    """Of a flexible_grid_anchor_generator: size in pixels and aspect ratio of a cell's anchors, by feature map."""
    return [list(zip(grid.base_sizes, grid.aspect_ratios, strict=True)) for grid in grids.anchor_grid]
