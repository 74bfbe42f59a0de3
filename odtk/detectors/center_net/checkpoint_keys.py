"""The TFOD checkpoint key of each variable of a CenterNet."""

from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
import tf_keras

from odtk.detectors.center_net.extractor import FeatureExtractor
from odtk.layers.hourglass import ConvNorm, EncoderDecoder, Hourglass, Residual
from odtk.layers.point_head import PointHead

EXTRACTOR = "model/_feature_extractor/"
HEADS = "model/_prediction_head_dict/"
HEAD = HEADS + "{}/{}"
WEIGHTED = "{}/layer_with_weights-{}"
HOURGLASS = f"{EXTRACTOR}_network"


def tfod_keys(extractor: FeatureExtractor, heads: Mapping[str, Sequence[PointHead]]) -> dict[str, tf.Variable]:
    """Maps checkpoint keys to variables, for every variable of a built network."""
    return {
        f"{prefix}/{variable.name.split('/')[-1].split(':')[0]}": variable
        for prefix, layer in tfod_layers(extractor, heads).items()
        for variable in layer.weights
    }


def tfod_layers(
    extractor: FeatureExtractor, heads: Mapping[str, Sequence[PointHead]]
) -> dict[str, tf_keras.layers.Layer]:
    """Maps paths to layers, for every layer with variables."""
    layers: dict[str, tf_keras.layers.Layer] = {}
    if extractor.backbone is None or extractor.layout is None:
        layers.update(
            {path: layer for path, layer in hourglass_parts(extractor.network) if layer is not None and layer.weights}
        )
    else:
        layers.update(numbered(backbone_path(extractor), extractor.backbone.layers))
        # The backbone itself is the first one with weights.
        whole = numbered(f"{EXTRACTOR}{extractor.layout.whole}", extractor.network.layers)
        layers.update({path: layer for path, layer in whole.items() if layer is not extractor.backbone.model})
    for name, of_outputs in heads.items():
        for output, head in enumerate(of_outputs):
            layers.update(numbered(HEAD.format(escaped(name), output), [*head.convs, head.last]))
    return layers


def numbered(path: str, layers: Sequence[tf_keras.layers.Layer]) -> dict[str, tf_keras.layers.Layer]:
    """The layers with variables, as Keras counts them below the path of their model."""
    return {WEIGHTED.format(path, i): layer for i, layer in enumerate(each for each in layers if each.weights)}


def backbone_path(extractor: FeatureExtractor) -> str:
    """Of the model that holds the backbone's layers."""
    layout = extractor.layout
    assert layout is not None
    return f"{EXTRACTOR}{layout.base}" if layout.base else WEIGHTED.format(f"{EXTRACTOR}{layout.whole}", 0)


def backbone_prefix(extractor: FeatureExtractor) -> str | None:
    """The beginning of the keys of what TFOD takes from a classifier; None if it takes nothing."""
    layout = extractor.layout
    return f"{EXTRACTOR}{layout.base or layout.whole}/" if layout is not None else None


def escaped(name: str) -> str:
    """The name of an attribute as checkpoints have it in paths."""
    return name.replace(".", "..").replace("/", ".S")


def hourglass_parts(network: Hourglass) -> Iterator[tuple[str, tf_keras.layers.Layer | None]]:
    """(path, layer) of every part of TFOD's hourglass that has a path of its own; None where odtk has no layer."""
    yield from _conv_norm(f"{HOURGLASS}/downsample_input/conv_block", network.downsample_input.conv_block)
    yield from _residual(f"{HOURGLASS}/downsample_input/residual_block", network.downsample_input.residual_block)
    for number, hourglass in enumerate(network.hourglass_network):
        yield from _encoder_decoder(f"{HOURGLASS}/hourglass_network/{number}", hourglass)
    for name in ("output_conv", "intermediate_conv1", "intermediate_conv2"):
        for number, block in enumerate(getattr(network, name)):
            yield from _conv_norm(f"{HOURGLASS}/{name}/{number}", block)
    for number, block in enumerate(network.intermediate_residual):
        yield from _residual(f"{HOURGLASS}/intermediate_residual/{number}", block)
    yield f"{HOURGLASS}/intermediate_relu", network.intermediate_relu


def _conv_norm(path: str, block: ConvNorm) -> Iterator[tuple[str, tf_keras.layers.Layer | None]]:
    yield f"{path}/pad", block.pad
    yield f"{path}/conv", block.conv
    yield f"{path}/norm", block.norm
    yield f"{path}/relu", block.relu


def _residual(path: str, block: Residual) -> Iterator[tuple[str, tf_keras.layers.Layer | None]]:
    yield from _conv_norm(f"{path}/conv_block", block.conv_block)
    yield f"{path}/conv", block.conv
    yield f"{path}/norm", block.norm
    if block.skip is None:
        yield f"{path}/skip", None
    else:
        yield from _conv_norm(f"{path}/skip", block.skip)
    yield f"{path}/relu", block.relu


def _encoder_decoder(path: str, block: EncoderDecoder) -> Iterator[tuple[str, tf_keras.layers.Layer | None]]:
    for name in ("encoder_block1", "encoder_block2", "inner_block", "decoder_block"):
        for number, inner in enumerate(getattr(block, name)):
            parts = _encoder_decoder if isinstance(inner, EncoderDecoder) else _residual
            yield from parts(f"{path}/{name}/{number}", inner)
    yield f"{path}/upsample", block.upsample
    yield f"{path}/merge_features", block.merge_features
