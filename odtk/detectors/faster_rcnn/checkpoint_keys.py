"""The TFOD checkpoint key of each variable of a Faster R-CNN, and what a fine_tune_checkpoint_type restores."""

from dataclasses import dataclass

import tensorflow as tf
import tf_keras

from odtk.detectors.detector import FineTunePlan
from odtk.detectors.faster_rcnn.network import FasterRcnnNetwork
from odtk.layers.conv import ConvBlock
from odtk.layers.region_heads import DenseFeatures, RegionHeads

PROPOSAL_FEATURES = "model/_feature_extractor_for_proposal_features"
REGION_FEATURES = "model/_feature_extractor_for_box_classifier_features"
PYRAMID_TOP = f"{PROPOSAL_FEATURES}/fpn_features_generator/top_layers/0"
PYRAMID_LATERAL = f"{PROPOSAL_FEATURES}/fpn_features_generator/residual_blocks/{{}}/0"
PYRAMID_SMOOTHING = f"{PROPOSAL_FEATURES}/fpn_features_generator/conv_layers/{{}}"
COARSE = f"{PROPOSAL_FEATURES}/coarse_feature_layers/{{}}"
FIRST_CONV = "model/_first_stage_box_predictor_first_conv/layer_with_weights-{}"
FIRST_HEADS = "model/_first_stage_box_predictor/_prediction_heads"
FIRST_BOXES = f"{FIRST_HEADS}/box_encodings/{{}}/_box_encoder_layers/0"
FIRST_CLASSES = f"{FIRST_HEADS}/class_predictions_with_background/{{}}/_class_predictor_layers/0"
BOXES = "model/_mask_rcnn_box_predictor/_box_prediction_head/_box_encoder_layers/{}"
CLASSES = "model/_mask_rcnn_box_predictor/_class_prediction_head/_class_predictor_layers/{}"
# The backbone's prefix in a classification checkpoint.
CLASSIFIER = "feature_extractor/layer_with_weights-{}"


@dataclass(frozen=True)
class Layout:
    """Where the backbone's variables are, and the level of the finest map.

    A ResNet without a pyramid is in two parts, of which the second one is the second stage's; its layers are numbered
    from 0, and in a classification checkpoint go on from those of the first part.
    """

    backbone: str
    is_split: bool
    finest_level: int
    has_input_shape: bool = True
    """Whether TFOD's input layer has its shape as a list, which is an object, too."""

    @property
    def backbone_layer(self) -> str:
        """The pattern of its layers' paths."""
        return f"{self.backbone}/layer_with_weights-{{}}"


SPLIT = Layout(PROPOSAL_FEATURES, True, 4)


def with_pyramid(finest_level: int) -> Layout:
    """That of a backbone with a pyramid, all of it in the first stage."""
    return Layout(f"{PROPOSAL_FEATURES}/classification_backbone", False, finest_level)


def tfod_keys(network: FasterRcnnNetwork, layout: Layout) -> dict[str, tf.Variable]:
    """Maps checkpoint keys to variables, for every variable of a built network."""
    return {
        f"{prefix}/{variable.name.split('/')[-1].split(':')[0]}": variable
        for prefix, layer in tfod_layers(network, layout).items()
        for variable in layer.weights
    }


def tfod_layers(network: FasterRcnnNetwork, layout: Layout) -> dict[str, tf_keras.layers.Layer]:
    """Maps paths to layers, for every layer with variables."""
    layers = _numbered(network.features.backbone, layout.backbone_layer)
    if network.features.pyramid is not None:
        layers |= _pyramid(network.features.pyramid)
    layers |= _first_head(network.proposal_head)
    if network.region_features is not None:
        layers |= _region_features(network.region_features)
        layers |= _region_heads(network.region_heads)
    return layers


def fine_tune_plan(checkpoint_type: str, keys: list[str], layout: Layout) -> FineTunePlan:
    """full: everything; detection: what computes features, of both stages; classification: the backbone.

    The latter of both kinds of checkpoint. `keys` are those of all variables.
    """
    features = (f"{PROPOSAL_FEATURES}/", f"{REGION_FEATURES}/")
    if checkpoint_type == "full":
        return FineTunePlan(keys)
    if checkpoint_type == "detection":
        taken = [key for key in keys if key.startswith(features)]
        return FineTunePlan(taken, may_be_unused=("model/",), reusable=_REUSABLE)
    whole = features if layout.is_split else (f"{layout.backbone}/",)
    taken = [key for key in keys if key.startswith(whole)]
    return FineTunePlan(taken, ("model/", "feature_extractor/"), _names_in_a_classifier(taken))


# What does not depend on the classes. (With boxes of its own for each class the second stage's heads do.)
_REUSABLE = {
    "first stage's head": ("model/_first_stage_box_predictor_first_conv/", "model/_first_stage_box_predictor/"),
}


def _names_in_a_classifier(keys: list[str]) -> dict[str, str]:
    """Those of the second part go on where the first ends."""
    layers: dict[str, str] = {}
    for key in keys:
        layer = key.rsplit("/", 1)[0]
        layers.setdefault(layer, CLASSIFIER.format(len(layers)))
    return {key: f"{layers[key.rsplit('/', 1)[0]]}/{key.rsplit('/', 1)[1]}" for key in keys}


def _numbered(model: tf_keras.Model, pattern: str) -> dict[str, tf_keras.layers.Layer]:
    with_weights = [layer for layer in model.layers if layer.weights]
    return {pattern.format(index): layer for index, layer in enumerate(with_weights)}


def _region_features(model: tf_keras.Model) -> dict[str, tf_keras.layers.Layer]:
    pattern = f"{REGION_FEATURES}/layer_with_weights-{{}}"
    if not isinstance(model, DenseFeatures):
        return _numbered(model, pattern)
    layers = [layer for layer in (model.first, model.norm, model.second) if layer is not None]
    return {pattern.format(index): layer for index, layer in enumerate(layers)}


def _pyramid(pyramid) -> dict[str, tf_keras.layers.Layer]:
    layers = {PYRAMID_TOP: pyramid.top}
    layers |= {PYRAMID_LATERAL.format(index): conv for index, conv in enumerate(pyramid.lateral)}
    for pattern, blocks in ((PYRAMID_SMOOTHING, pyramid.smoothing), (COARSE, pyramid.coarse)):
        for index, block in enumerate(blocks):
            layers |= _block(block, pattern.format(index))
    return layers


def _block(block: ConvBlock, path: str) -> dict[str, tf_keras.layers.Layer]:
    return {f"{path}/0": block.conv} | ({} if block.norm is None else {f"{path}/1": block.norm})


def _first_head(head) -> dict[str, tf_keras.layers.Layer]:
    shared = [head.conv] if head.norm is None else [head.conv, head.norm]
    layers = {FIRST_CONV.format(index): layer for index, layer in enumerate(shared)}
    layers |= {FIRST_BOXES.format(level): conv for level, conv in enumerate(head.box_convs)}
    return layers | {FIRST_CLASSES.format(level): conv for level, conv in enumerate(head.class_convs)}


def place_of_dense(heads: RegionHeads) -> int:
    """Of the heads' dense layers in TFOD's lists, which begin with a layer that flattens, then dropout, if any."""
    return 1 if heads.dropout_rate is None else 2


def _region_heads(heads: RegionHeads) -> dict[str, tf_keras.layers.Layer]:
    place = place_of_dense(heads)
    layers = {BOXES.format(place): heads.box_dense, CLASSES.format(place): heads.class_dense}
    if heads.box_norm is not None:
        layers |= {BOXES.format(place + 1): heads.box_norm, CLASSES.format(place + 1): heads.class_norm}
    return layers
