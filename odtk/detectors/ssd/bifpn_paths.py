"""The checkpoint paths of an EfficientNet with a bidirectional pyramid of `odtk.layers.bifpn`."""

import tf_keras

from odtk.detectors.ssd.checkpoint_parts import CheckpointParts
from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths, of_functional
from odtk.layers.bifpn import BiFpn, BiFpnNode, Combination, Resampling
from odtk.layers.efficientnet import EfficientNet

MAPS = "model/_feature_extractor/_efficientnet"
CLASSIFIER = "model/_feature_extractor/classification_backbone"
PYRAMID = "model/_feature_extractor/_bifpn_stage"
INPUT = f"{PYRAMID}/node_input_blocks/{{}}/{{}}/1"
COMBINATION = f"{PYRAMID}/node_combine_op/{{}}"
AFTER = f"{PYRAMID}/node_post_combine_block/{{}}"
LISTS = (
    *(f"model/_feature_extractor/{name}" for name in ("_bifpn_node_params", "_output_layer_alias")),
    "model/_feature_extractor/_output_layer_names",
    f"{PYRAMID}/bifpn_output_node_names",
)
# A classification checkpoint has the whole classifier.
PARTS = CheckpointParts(backbone=(f"{MAPS}/", f"{CLASSIFIER}/"))
NODE_LISTS = (f"{PYRAMID}/bifpn_node_config/{{}}/inputs",)


def bifpn_paths(backbone: EfficientNet, pyramid: BiFpn) -> CheckpointPaths:
    """The paths of both, built."""
    paths = _backbone(backbone) | CheckpointPaths(bare=LISTS)
    for number, node in enumerate(pyramid.nodes):
        paths |= _node(node, number)
    return paths


def _backbone(backbone: EfficientNet) -> CheckpointPaths:
    """TFOD has its layers twice: those of the maps, and all of them as a classifier."""
    maps = of_functional(backbone.maps, MAPS, shape_is_list=False)
    whole = of_functional(backbone.classifier, CLASSIFIER, shape_is_list=False)
    path_of = {id(layer): path for path, layer in maps.layers.items()}
    unused = {path: layer for path, layer in whole.layers.items() if id(layer) not in path_of}
    aliases = {path: path_of[id(layer)] for path, layer in whole.layers.items() if path not in unused}
    # Layers without variables come in the same order in both.
    without = dict(zip(whole.bare, maps.bare, strict=False))
    return maps | CheckpointPaths(unused, aliases | whole.aliases | without, whole.bare[len(maps.bare) :])


def _node(node: BiFpnNode, number: int) -> CheckpointPaths:
    paths = CheckpointPaths(bare=tuple(each.format(number) for each in NODE_LISTS))
    for index, resampling in enumerate(node.resampling):
        paths |= _list(INPUT.format(number, index), _resampling_layers(resampling))
    after = [] if node.combination is None else [node.activation, node.conv, node.norm]
    paths |= _list(AFTER.format(number), after)
    return paths if node.combination is None else paths | _combination(node.combination, COMBINATION.format(number))


def _resampling_layers(resampling: Resampling) -> list[tf_keras.layers.Layer]:
    return [layer for layer in (resampling.conv, resampling.norm, resampling.resize) if layer is not None]


def _combination(combination: Combination, at: str) -> CheckpointPaths:
    if combination.per_input_weights is None:
        return CheckpointPaths(bare=(f"{at}/_combine_op",))
    return CheckpointPaths({at: combination}, {f"{at}/per_input_weights": f"{at}/bifpn_combine_weights"})


def _list(at: str, layers: list[tf_keras.layers.Layer]) -> CheckpointPaths:
    """TFOD's list of these layers, whose place is `at`."""
    placed = {f"{at}/{index}": layer for index, layer in enumerate(layers)}
    with_weights = {path: layer for path, layer in placed.items() if layer.weights}
    return CheckpointPaths(with_weights, bare=(at, *(path for path in placed if path not in with_weights)))
