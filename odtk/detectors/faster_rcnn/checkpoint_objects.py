"""The rest of TFOD's objects: aliases, and objects without variables.

odtk's network has other objects than TFOD's. So that TFOD can restore all objects of a checkpoint, with any TensorFlow
version, they have the names that TFOD gives them (in its meta_architectures/faster_rcnn_meta_arch.py and
models/faster_rcnn_resnet_v1_fpn_keras_feature_extractor.py).
"""

import tf_keras

from odtk.detectors.faster_rcnn import checkpoint_keys as keys
from odtk.detectors.faster_rcnn.checkpoint_keys import Layout
from odtk.detectors.faster_rcnn.network import FasterRcnnNetwork
from odtk.layers.region_heads import DenseFeatures, RegionHeads

PYRAMID_UPSAMPLING = f"{keys.PROPOSAL_FEATURES}/fpn_features_generator/top_down_blocks/{{}}/0"
PYRAMID_RESHAPING = f"{keys.PROPOSAL_FEATURES}/fpn_features_generator/reshape_blocks/{{}}"
PYRAMID_LISTS = [
    f"{keys.PROPOSAL_FEATURES}/fpn_features_generator/{name}"
    for name in ("residual_blocks", "top_down_blocks", "reshape_blocks", "conv_layers")
]
COARSE_LIST = f"{keys.PROPOSAL_FEATURES}/coarse_feature_layers"
BLOCK_NAMES = f"{keys.PROPOSAL_FEATURES}/_resnet_block_names"
SHARED_NETS = "model/_first_stage_box_predictor/_shared_nets/{}"
FIRST_CONV_LAYER = "model/_first_stage_box_predictor_first_conv/layer-{}"
EMPTY = [
    "model/_groundtruth_lists",
    "model/_batched_prediction_tensor_names",
    "model/endpoints",
    "model/_maxpool_layer",
    "model/_first_stage_box_predictor/_sorted_head_names",
    "model/_mask_rcnn_box_predictor/_third_stage_heads",
]


def tfod_other_paths(network: FasterRcnnNetwork, layout: Layout) -> tuple[dict[str, str], list[str]]:
    """(aliases, bare) of a built network, for `odtk.checkpoints.object_graph.as_trackable`."""
    aliases, bare = _functional(network.features.backbone, layout.backbone)
    bare += [*EMPTY, *_pyramid(network.features.pyramid)]
    bare += [f"{layout.backbone}/layer-0/_init_input_shape"] if layout.has_input_shape else []
    bare += _heads(network.region_heads, are_run=network.region_features is not None)
    for more_aliases, more_bare in (_first_head(network.proposal_head), _region_features(network.region_features)):
        aliases |= more_aliases
        bare += more_bare
    norms = tf_keras.layers.BatchNormalization
    # A batch norm's axis is a list, and lists are objects, too.
    bare += [f"{path}/axis" for path, layer in keys.tfod_layers(network, layout).items() if isinstance(layer, norms)]
    return aliases, bare


def _functional(model: tf_keras.Model, path: str) -> tuple[dict[str, str], list[str]]:
    """The layers of a functional model, each also by its number among all."""
    aliases, bare = {}, []
    for index, layer in enumerate(model.layers):
        if layer.weights:
            aliases[f"{path}/layer-{index}"] = f"{path}/layer_with_weights-{len(aliases)}"
        else:
            bare.append(f"{path}/layer-{index}")
    return aliases, bare


def _first_head(head) -> tuple[dict[str, str], list[str]]:
    """Convolution, batch norm (or an identity in its place), activation; a list of shared layers for each level."""
    aliases = {FIRST_CONV_LAYER.format(0): keys.FIRST_CONV.format(0)}
    bare = [FIRST_CONV_LAYER.format(2), *(SHARED_NETS.format(level) for level in range(len(head.box_convs)))]
    if head.norm is None:
        bare.append(FIRST_CONV_LAYER.format(1))
    else:
        aliases[FIRST_CONV_LAYER.format(1)] = keys.FIRST_CONV.format(1)
    return aliases, bare


def _region_features(model: tf_keras.Model | None) -> tuple[dict[str, str], list[str]]:
    path = keys.REGION_FEATURES
    if model is None:
        return {}, []
    if not isinstance(model, DenseFeatures):
        return _functional(model, path)
    # Flattening, dense layer, batch norm (or an identity in its place), dense layer, reshaping.
    aliases, bare, layers = {}, [f"{path}/layer-0", f"{path}/layer-4"], (model.first, model.norm, model.second)
    for index, layer in enumerate(layers, start=1):
        if layer is None:
            bare.append(f"{path}/layer-{index}")
        else:
            aliases[f"{path}/layer-{index}"] = f"{path}/layer_with_weights-{len(aliases)}"
    return aliases, bare


def _pyramid(pyramid) -> list[str]:
    if pyramid is None:
        return []
    bare = [key.format(i) for key in (PYRAMID_UPSAMPLING, PYRAMID_RESHAPING) for i in range(len(pyramid.lateral))]
    bare += [BLOCK_NAMES] + ([] if pyramid.lateral else PYRAMID_LISTS) + ([] if pyramid.coarse else [COARSE_LIST])
    for pattern, blocks in ((keys.PYRAMID_SMOOTHING, pyramid.smoothing), (keys.COARSE, pyramid.coarse)):
        for index, block in enumerate(blocks):
            # Convolution, batch norm (or an identity in its place), activation.
            places = (2,) if block.norm is not None else (1, 2)
            bare += [f"{pattern.format(index)}/{place}" for place in places]
    return bare


def _heads(heads: RegionHeads, are_run: bool) -> list[str]:
    """Flattening, dropout (if any), dense layer, batch norm (or an identity in its place), of boxes and classes.

    TFOD makes the heads in any case; those that are not run have no variables.
    """
    first = keys.place_of_dense(heads)
    places = list(range(first)) if are_run else list(range(first + 1))
    if heads.box_norm is None or not are_run:
        places.append(first + 1)
    return [pattern.format(place) for pattern in (keys.BOXES, keys.CLASSES) for place in places]
