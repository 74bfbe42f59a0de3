"""The rest of TFOD's objects: aliases, and objects without variables.

Names are those that TFOD gives them in its meta_architectures/center_net_meta_arch.py and in its feature extractors.
"""

from collections.abc import Mapping, Sequence

import tf_keras

from odtk.detectors.center_net import checkpoint_keys
from odtk.detectors.center_net.checkpoint_keys import EXTRACTOR, HEAD, WEIGHTED, escaped
from odtk.detectors.center_net.extractor import FeatureExtractor
from odtk.layers.point_head import PointHead

LAYER = "{}/layer-{}"
LISTS = (
    "model/_batched_prediction_tensor_names",
    "model/_groundtruth_lists",
    "model/_target_assigner_dict",
    f"{EXTRACTOR}_channel_means",
    f"{EXTRACTOR}_channel_stds",
)
# Tuples with names, whose members that are lists are known by their place, too.
TUPLES = {
    "model/_center_params": {
        "keypoint_weights_for_center": 6,
        "center_head_num_filters": 7,
        "center_head_kernel_sizes": 8,
    },
    "model/_od_params": {
        "scale_head_num_filters": 4,
        "scale_head_kernel_sizes": 5,
        "offset_head_num_filters": 6,
        "offset_head_kernel_sizes": 7,
    },
}
HOURGLASS_LISTS = ("intermediate_conv1", "intermediate_conv2", "intermediate_residual")


def tfod_other_paths(
    extractor: FeatureExtractor, heads: Mapping[str, Sequence[PointHead]]
) -> tuple[dict[str, str], list[str]]:
    """(aliases, bare) of a built network, for `odtk.checkpoints.object_graph.as_trackable`."""
    bare, aliases = list(LISTS), {}
    for path, members in TUPLES.items():
        bare += [f"{path}/{name}" for name in members]
        aliases |= {f"{path}/{place}": f"{path}/{name}" for name, place in members.items()}
    layers = checkpoint_keys.tfod_layers(extractor, heads)
    # A batch norm's axis is a list, and lists are objects, too.
    bare += [f"{path}/axis" for path, layer in layers.items() if hasattr(layer, "moving_mean")]
    for more_aliases, more_bare in (_extractor(extractor), *_heads(heads)):
        aliases |= more_aliases
        bare += more_bare
    return aliases, bare


def _extractor(extractor: FeatureExtractor) -> tuple[dict[str, str], list[str]]:
    layout, backbone = extractor.layout, extractor.backbone
    if layout is None or backbone is None:
        return {}, _hourglass(extractor)
    base, whole = checkpoint_keys.backbone_path(extractor), f"{EXTRACTOR}{layout.whole}"
    aliases, bare = _numbered(base, backbone.layers)
    of_network = _numbered(whole, extractor.network.layers)
    bare += of_network[1]
    first = LAYER.format(whole, extractor.network.layers.index(backbone.model))
    if layout.base:
        maps = f"{EXTRACTOR}{layout.maps}"
        aliases |= _same_layers(maps, base, backbone.model.layers)
        aliases |= {first: maps, WEIGHTED.format(whole, 0): maps}
    if layout.input_has_shape:
        bare.append(f"{LAYER.format(base, 0)}/_init_input_shape")
    # Both begin with the same input.
    bare.remove(LAYER.format(whole, 0))
    aliases[LAYER.format(whole, 0)] = LAYER.format(base, 0)
    return {**of_network[0], **aliases} if layout.base else {**aliases, **of_network[0]}, bare


def _numbered(path: str, layers: Sequence[tf_keras.layers.Layer]) -> tuple[dict[str, str], list[str]]:
    """Layers by their place: those with variables are known by their place among these, too."""
    aliases, bare = {}, []
    for place, layer in enumerate(layers):
        name = LAYER.format(path, place)
        if layer.weights:
            aliases[name] = WEIGHTED.format(path, len(aliases))
        else:
            bare.append(name)
    return aliases, bare


def _same_layers(path: str, base: str, layers: Sequence[tf_keras.layers.Layer]) -> dict[str, str]:
    """Another model of the first layers of the one at `base`."""
    aliases, weighted = {}, 0
    for place, layer in enumerate(layers):
        aliases[LAYER.format(path, place)] = LAYER.format(base, place)
        if layer.weights:
            aliases[WEIGHTED.format(path, weighted)] = WEIGHTED.format(base, weighted)
            weighted += 1
    return aliases


def _heads(heads: Mapping[str, Sequence[PointHead]]):
    for name, of_outputs in heads.items():
        for output, head in enumerate(of_outputs):
            path = HEAD.format(escaped(name), output)
            # Convolution, ReLU, convolution, ...
            aliases = {LAYER.format(path, 2 * i): WEIGHTED.format(path, i) for i in range(len(head.convs) + 1)}
            yield aliases, [LAYER.format(path, 2 * i + 1) for i in range(len(head.convs))]


def _hourglass(extractor: FeatureExtractor) -> list[str]:
    network = extractor.network
    parts = dict(checkpoint_keys.hourglass_parts(network))
    empty = [name for name in HOURGLASS_LISTS if not getattr(network, name)]
    return [
        *(path for path, layer in parts.items() if layer is None or not layer.weights),
        *(f"{checkpoint_keys.HOURGLASS}/{name}" for name in empty),
    ]
