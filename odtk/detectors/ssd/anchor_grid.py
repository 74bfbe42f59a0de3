"""The anchors of an SSD's training and how it matches them, for the analysis of data, without a model."""

import math

import numpy as np

from odtk.detectors.parts.anchor_grid import AnchorGrid, AnchorMatching
from odtk.detectors.parts.anchors import build_anchors
from odtk.detectors.parts.input_size import output_size
from odtk.detectors.parts.matching import build_anchor_matching
from odtk.protos import ssd_pb2


def anchor_matching(ssd: ssd_pb2.Ssd) -> AnchorMatching:
    """See `odtk.detectors.family.Family`."""
    return build_anchor_matching(ssd.matcher, ssd.similarity_calculator)


def anchor_grid(
    ssd: ssd_pb2.Ssd, image_size: tuple[int, int], padded_size: tuple[int, int], levels: tuple[int, int]
) -> AnchorGrid:
    """The anchors for resized images, which the network pads to `padded_size`; `levels` are its feature maps'."""
    generator = build_anchors(ssd.anchor_generator)
    # Whatever the anchor generator's levels, the feature maps have the network's strides.
    strides = [2**level for level in range(levels[0], levels[1] + 1)]
    maps = [tuple(math.ceil(side / stride) for side in padded_size) for stride in strides]
    anchors = generator(image_size, maps, static=output_size(ssd.image_resizer) is not None).numpy()
    counts = zip(maps, generator.per_location, strict=True)
    ends = np.cumsum([rows * columns * per_cell for (rows, columns), per_cell in counts])[:-1]
    return AnchorGrid([part.reshape(*size, -1, 4) for part, size in zip(np.split(anchors, ends), maps, strict=True)])
