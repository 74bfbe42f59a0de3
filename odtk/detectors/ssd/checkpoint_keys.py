"""The TFOD checkpoint key of each variable of an SSD with a feature pyramid."""

import tensorflow as tf
import tf_keras

from odtk.detectors.ssd.detector import SsdNetwork
from odtk.layers.fpn import FeaturePyramid
from odtk.layers.heads import SharedHeads, SharedTower

BACKBONE = "model/_feature_extractor/classification_backbone/layer_with_weights-{}"
PYRAMID_TOP = "model/_feature_extractor/_fpn_features_generator/top_layers/0"
PYRAMID_LATERAL = "model/_feature_extractor/_fpn_features_generator/residual_blocks/{}/0"
PYRAMID_SMOOTHING = "model/_feature_extractor/_fpn_features_generator/conv_layers/{}"
COARSE = "model/_feature_extractor/_coarse_feature_layers/{}"
BOX_TOWER = "model/_box_predictor/_head_scope_conv_layers/BoxPredictionTower/{}"
CLASS_TOWER = "model/_box_predictor/_head_scope_conv_layers/ClassPredictionTower/{}"
SHARED_TOWER = "model/_box_predictor/_head_scope_conv_layers/PredictionTower/{}"
BOX_TOWER_NORM = "model/_box_predictor/_base_tower_layers_for_heads/box_encodings/{}/{}"
CLASS_TOWER_NORM = "model/_box_predictor/_base_tower_layers_for_heads/class_predictions_with_background/{}/{}"
BOX_CONV = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0"
CLASS_CONV = "model/_box_predictor/_prediction_heads/class_predictions_with_background/_class_predictor_layers/{}"


def tfod_keys(network: SsdNetwork) -> dict[str, tf.Variable]:
    """Maps checkpoint keys to variables, for every variable of a built network."""
    return {
        f"{prefix}/{variable.name.split('/')[-1].split(':')[0]}": variable
        for prefix, layer in tfod_layers(network).items()
        for variable in layer.weights
    }


def tfod_layers(network: SsdNetwork) -> dict[str, tf_keras.layers.Layer]:
    """Maps paths to layers, for every layer with variables."""
    with_weights = [layer for layer in network.backbone.layers if layer.weights]
    layers = {BACKBONE.format(index): layer for index, layer in enumerate(with_weights)}
    return layers | _pyramid_layers(network.pyramid) | _head_layers(network.heads)


def _pyramid_layers(pyramid: FeaturePyramid) -> dict:
    layers = {PYRAMID_TOP: pyramid.top}
    layers.update({PYRAMID_LATERAL.format(i): conv for i, conv in enumerate(pyramid.lateral)})
    for pattern, blocks in ((PYRAMID_SMOOTHING, pyramid.smoothing), (COARSE, pyramid.coarse)):
        for index, block in enumerate(blocks):
            first = 0 if block.padding is None else 1
            layers[f"{pattern.format(index)}/{first}"] = block.conv
            if block.norm is not None:
                layers[f"{pattern.format(index)}/{first + 1}"] = block.norm
    return layers


def _head_layers(heads: SharedHeads) -> dict:
    if heads.class_tower is None:
        layers = _tower_layers(heads.box_tower, SHARED_TOWER, BOX_TOWER_NORM)
    else:
        layers = _tower_layers(heads.box_tower, BOX_TOWER, BOX_TOWER_NORM)
        layers.update(_tower_layers(heads.class_tower, CLASS_TOWER, CLASS_TOWER_NORM))
    # In TFOD's list of class prediction layers, dropout is a separate layer.
    position = 0 if heads.dropout is None else 1
    return layers | {BOX_CONV: heads.box_conv, CLASS_CONV.format(position): heads.class_conv}


def _tower_layers(tower: SharedTower, conv_key: str, norm_key: str) -> dict:
    layers = {conv_key.format(index): conv for index, conv in enumerate(tower.convs)}
    for level, norms in enumerate(tower.norms):
        # A tower is a flat list of convolution, batch norm, activation, convolution, ...
        layers.update({norm_key.format(level, 3 * index + 1): norm for index, norm in enumerate(norms)})
    return layers
