"""The checkpoint paths of a backbone with the extra maps of `odtk.layers.extra_maps`."""

import functools
from collections.abc import Callable

import tf_keras

from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths, of_block, of_functional
from odtk.layers.extra_maps import ExtraMaps

EXTRACTOR = "model/_feature_extractor/{}"
BACKBONE = EXTRACTOR.format("classification_backbone")
# A dict with two lists, which TFOD's extractor and its extra maps both hold.
LAYOUT = EXTRACTOR.format("_feature_map_layout")
LAYOUTS = (LAYOUT, f"{LAYOUT}/from_layer", f"{LAYOUT}/layer_depth")


def named(attribute: str) -> Callable[[tf_keras.Model, ExtraMaps], CheckpointPaths]:
    """The paths of (backbone, extra maps), which are an `attribute` of TFOD's feature extractor."""
    return functools.partial(_paths, at=EXTRACTOR.format(attribute))


def _paths(backbone: tf_keras.Model, maps: ExtraMaps, at: str) -> CheckpointPaths:
    # TFOD has a list of layers for each map; those of the backbone's maps are empty.
    lists = (f"{at}/convolutions/{index}" for index in range(maps.num_own))
    paths = CheckpointPaths(aliases={f"{at}/feature_map_layout": LAYOUT}, bare=(*LAYOUTS, *lists))
    for index, extra in enumerate(maps.extra, start=maps.num_own):
        place = 0
        for block in extra.blocks:
            paths = paths | of_block(block, f"{at}/convolutions/{index}", place)
            place += 3 if block.padding is None else 4
    return of_functional(backbone, BACKBONE) | paths
