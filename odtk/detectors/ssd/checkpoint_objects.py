"""The rest of TFOD's objects: aliases, and objects without variables.

odtk's network has other objects than TFOD's. So that TFOD can restore all objects of a checkpoint, with any TensorFlow
version, they have the names that TFOD gives them (in its meta_architectures/ssd_meta_arch.py,
feature_map_generators.py and convolutional_keras_box_predictor.py).
"""

from collections.abc import Iterable

import tf_keras

from odtk.detectors.ssd import checkpoint_keys
from odtk.detectors.ssd.detector import SsdNetwork
from odtk.layers.heads import SharedHeads, SharedTower

BACKBONE_LAYER = "model/_feature_extractor/classification_backbone/layer-{}"
INPUT_SHAPE = "model/_feature_extractor/classification_backbone/layer-0/_init_input_shape"
PYRAMID_UPSAMPLING = "model/_feature_extractor/_fpn_features_generator/top_down_blocks/{}/0"
PYRAMID_RESHAPING = "model/_feature_extractor/_fpn_features_generator/reshape_blocks/{}"
PROJECTIONS = "model/_box_predictor/_additional_projection_layers/{}"
DROPOUT = checkpoint_keys.CLASS_CONV.format(0)
COARSE_LIST = "model/_feature_extractor/_coarse_feature_layers"
PYRAMID_LISTS = [
    f"model/_feature_extractor/_fpn_features_generator/{name}"
    for name in ("residual_blocks", "top_down_blocks", "reshape_blocks", "conv_layers")
]
EXTRACTOR_LIST = "model/_feature_extractor/{}"
EMPTY_LISTS = (
    "model/_groundtruth_lists",
    "model/_batched_prediction_tensor_names",
    "model/_box_predictor/_sorted_head_names",
)


def tfod_other_paths(network: SsdNetwork, empty_lists: Iterable[str] = ()) -> tuple[dict[str, str], list[str]]:
    """(aliases, bare) of a built network, for `odtk.checkpoints.object_graph.as_trackable`.

    `empty_lists` are those of TFOD's feature extractor.
    """
    aliases, bare = _backbone(network.backbone)
    bare += [*EMPTY_LISTS, *map(EXTRACTOR_LIST.format, empty_lists), *_pyramid(network)]
    norms = tf_keras.layers.BatchNormalization
    # A batch norm's axis is a list, and lists are objects, too.
    bare += [f"{path}/axis" for path, layer in checkpoint_keys.tfod_layers(network).items() if isinstance(layer, norms)]
    for more_aliases, more_bare in _heads(network.heads):
        aliases |= more_aliases
        bare += more_bare
    return aliases, bare


def _backbone(backbone: tf_keras.Model) -> tuple[dict[str, str], list[str]]:
    aliases, bare = {}, [INPUT_SHAPE]
    for index, layer in enumerate(backbone.layers):
        path = BACKBONE_LAYER.format(index)
        if layer.weights:
            aliases[path] = checkpoint_keys.BACKBONE.format(len(aliases))
        else:
            bare.append(path)
    return aliases, bare


def _pyramid(network: SsdNetwork) -> list[str]:
    pyramid = network.pyramid
    reshaping = f"{PYRAMID_RESHAPING}/0" if pyramid.cuts else PYRAMID_RESHAPING
    bare = [key.format(i) for key in (PYRAMID_UPSAMPLING, reshaping) for i in range(len(pyramid.lateral))]
    bare += [] if pyramid.lateral else PYRAMID_LISTS
    bare += [] if pyramid.coarse else [COARSE_LIST]
    for pattern, blocks in (
        (checkpoint_keys.PYRAMID_SMOOTHING, pyramid.smoothing),
        (checkpoint_keys.COARSE, pyramid.coarse),
    ):
        for index, block in enumerate(blocks):
            # Padding (if it is explicit), convolution, batch norm (or an identity in its place), activation.
            layers = [block.conv, block.norm, None] if block.padding is None else [None, block.conv, block.norm, None]
            bare += [f"{pattern.format(index)}/{place}" for place, layer in enumerate(layers) if layer is None]
    return bare


def _heads(heads: SharedHeads):
    keys = checkpoint_keys
    yield {}, [PROJECTIONS.format(level) for level in range(len(heads.box_tower.norms))]
    if heads.dropout is not None:
        yield {}, [DROPOUT]
    if heads.class_tower is not None:
        yield _tower(heads.box_tower, keys.BOX_TOWER, keys.BOX_TOWER_NORM)
        yield _tower(heads.class_tower, keys.CLASS_TOWER, keys.CLASS_TOWER_NORM)
        return
    yield _tower(heads.box_tower, keys.SHARED_TOWER, keys.BOX_TOWER_NORM)
    # TFOD creates a class tower anyway; it is never run, so its layers have no variables.
    aliases, bare = _tower(heads.box_tower, keys.CLASS_TOWER, keys.CLASS_TOWER_NORM)
    bare += [keys.CLASS_TOWER.format(index) for index in range(len(heads.box_tower.convs))]
    for level, norms in enumerate(heads.box_tower.norms):
        bare += [keys.CLASS_TOWER_NORM.format(level, 3 * index + 1) for index in range(len(norms))]
    yield aliases, bare


def _tower(tower: SharedTower, conv_key: str, level_key: str) -> tuple[dict[str, str], list[str]]:
    """Each level's list of layers; its convolutions are shared by all levels."""
    aliases, bare = {}, []
    for level, norms in enumerate(tower.norms):
        # Convolution, batch norm (if any), activation.
        period = 3 if norms else 2
        for index in range(len(tower.convs)):
            aliases[level_key.format(level, period * index)] = conv_key.format(index)
            bare.append(level_key.format(level, period * index + period - 1))
    if not tower.convs:
        bare = [conv_key.rsplit("/", 1)[0], *(level_key.format(i, "").rstrip("/") for i in range(len(tower.norms)))]
    return aliases, bare
