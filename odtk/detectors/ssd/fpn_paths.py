"""The checkpoint paths of a backbone with a feature pyramid of `odtk.layers.fpn`."""

import functools
from collections.abc import Callable

import tf_keras

from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths, of_block, of_functional
from odtk.layers.fpn import FeaturePyramid

BACKBONE = "model/_feature_extractor/classification_backbone"
PYRAMID_TOP = "model/_feature_extractor/_fpn_features_generator/top_layers/0"
PYRAMID_LATERAL = "model/_feature_extractor/_fpn_features_generator/residual_blocks/{}/0"
PYRAMID_SMOOTHING = "model/_feature_extractor/_fpn_features_generator/conv_layers/{}"
COARSE = "model/_feature_extractor/_coarse_feature_layers/{}"
PYRAMID_UPSAMPLING = "model/_feature_extractor/_fpn_features_generator/top_down_blocks/{}/0"
PYRAMID_RESHAPING = "model/_feature_extractor/_fpn_features_generator/reshape_blocks/{}"
PYRAMID_LISTS = [
    f"model/_feature_extractor/_fpn_features_generator/{name}"
    for name in ("residual_blocks", "top_down_blocks", "reshape_blocks", "conv_layers")
]
COARSE_LIST = "model/_feature_extractor/_coarse_feature_layers"
EXTRACTOR_LIST = "model/_feature_extractor/{}"


def with_empty_lists(*names: str) -> Callable[[tf_keras.Model, FeaturePyramid], CheckpointPaths]:
    """The paths of (backbone, pyramid), where TFOD's feature extractor has these attributes, which are empty lists."""
    return functools.partial(_paths, empty_lists=names)


def _paths(backbone: tf_keras.Model, pyramid: FeaturePyramid, empty_lists: tuple[str, ...]) -> CheckpointPaths:
    lists = map(EXTRACTOR_LIST.format, empty_lists)
    paths = of_functional(backbone, BACKBONE) | CheckpointPaths(_projections(pyramid), bare=(*lists, *_bare(pyramid)))
    for pattern, blocks in ((PYRAMID_SMOOTHING, pyramid.smoothing), (COARSE, pyramid.coarse)):
        for index, block in enumerate(blocks):
            paths = paths | of_block(block, pattern.format(index))
    return paths


def _projections(pyramid: FeaturePyramid) -> dict:
    return {PYRAMID_TOP: pyramid.top} | {PYRAMID_LATERAL.format(i): conv for i, conv in enumerate(pyramid.lateral)}


def _bare(pyramid: FeaturePyramid) -> list[str]:
    reshaping = f"{PYRAMID_RESHAPING}/0" if pyramid.cuts else PYRAMID_RESHAPING
    bare = [key.format(i) for key in (PYRAMID_UPSAMPLING, reshaping) for i in range(len(pyramid.lateral))]
    bare += [] if pyramid.lateral else PYRAMID_LISTS
    bare += [] if pyramid.coarse else [COARSE_LIST]
    return bare
