"""Builds the first stage's anchors from an AnchorGenerator message, and what an analysis of data asks of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from odtk.boxes import geometry
from odtk.boxes.grid_anchors import GridAnchors
from odtk.detectors.faster_rcnn.first_stage import MATCHED_THRESHOLD
from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.anchors import build_multiscale_anchors
from odtk.protos import anchor_generator_pb2, faster_rcnn_pb2


class Anchors(NamedTuple):
    """`lay_out`: sizes (height, width) of all maps to anchors yxyx [anchors, 4] in pixels; `per_location` a cell."""

    lay_out: Callable
    per_location: int


def build_anchors(message: anchor_generator_pb2.AnchorGenerator) -> Anchors:
    """Those of a grid_anchor_generator, for one map, or of a multiscale_anchor_generator."""
    if message.HasField("multiscale_anchor_generator"):
        generator = build_multiscale_anchors(message.multiscale_anchor_generator)
        # TFOD gives it no image, so that the first centers always are half a stride from the edge.
        return Anchors(lambda maps: generator((1, 1), maps, static=False), generator.per_location[0])
    grid = build_grid(message.grid_anchor_generator)
    return Anchors(lambda maps: grid(maps[0]), grid.per_location)


def build_grid(grid) -> GridAnchors:
    """From a grid_anchor_generator."""
    return GridAnchors(
        tuple(grid.scales),
        tuple(grid.aspect_ratios),
        (grid.height, grid.width),
        (grid.height_stride, grid.width_stride),
        (grid.height_offset, grid.width_offset),
    )


def anchor_grid(
    model: faster_rcnn_pb2.FasterRcnn, image_size: tuple[int, int], map_sizes: list[tuple[int, int]]
) -> AnchorGrid:
    """The anchors in training, clipped if the config says so, for images that have maps of these sizes."""
    anchors = build_anchors(model.first_stage_anchor_generator)
    height, width = image_size
    found = anchors.lay_out(map_sizes).numpy() / np.array([height, width, height, width], np.float32)
    ends = np.cumsum([rows * columns * anchors.per_location for rows, columns in map_sizes])[:-1]
    levels = [part.reshape(*size, -1, 4) for part, size in zip(np.split(found, ends), map_sizes, strict=True)]
    if not model.clip_anchors_to_image:
        return AnchorGrid(levels)
    return AnchorGrid([np.clip(level, 0.0, 1.0) for level in levels], unclipped=levels)


def anchor_matching() -> AnchorMatching:
    """That of the first stage; an anchor that is clipped to the image does not reach over it."""
    return AnchorMatching("iou", geometry.iou, MATCHED_THRESHOLD, force_match=True, leaves_out_outside=True)
