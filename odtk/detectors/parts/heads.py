"""Builds prediction heads from a BoxPredictor message."""

from collections.abc import Sequence
from dataclasses import replace

from odtk.detectors.parts.hyperparams import build_conv_params
from odtk.layers.heads import SharedHeads
from odtk.layers.map_heads import MapHeads
from odtk.protos import box_predictor_pb2


def build_shared_heads(
    predictor: box_predictor_pb2.WeightSharedConvolutionalBoxPredictor,
    channels: Sequence[int],
    anchors_per_location: int,
    num_outputs: int,
) -> SharedHeads:
    """The weight-shared box predictor for maps of these `channels`; `num_outputs`: of class logits per anchor."""
    clip, params = predictor.box_encodings_clip_range, build_conv_params(predictor.conv_hyperparams)
    if params.batch_norm is not None and params.batch_norm.synchronized:
        # As in TFOD, which looks for `batch_norm` only; the check of a config warns.
        params = replace(params, batch_norm=None)
    return SharedHeads(
        params,
        depth=predictor.depth,
        num_layers=predictor.num_layers_before_predictor,
        kernel_size=predictor.kernel_size,
        channels=channels,
        anchors_per_location=anchors_per_location,
        num_outputs=num_outputs,
        class_bias=predictor.class_prediction_bias_init,
        share_tower=predictor.share_prediction_tower,
        depthwise=predictor.use_depthwise,
        rule_pointwise=predictor.apply_conv_hyperparams_pointwise,
        rule_predictions=predictor.apply_conv_hyperparams_to_heads,
        dropout_rate=1 - predictor.dropout_keep_probability if predictor.use_dropout else None,
        box_code_size=predictor.box_code_size,
        box_clip_range=(clip.min, clip.max) if predictor.HasField("box_encodings_clip_range") else None,
        name="heads",
    )


def build_map_heads(
    predictor: box_predictor_pb2.ConvolutionalBoxPredictor,
    channels: Sequence[int],
    per_location: Sequence[int],
    num_outputs: int,
) -> MapHeads:
    """The box predictor of which each map has its own; `per_location` are the numbers of anchors at a cell."""
    clip = predictor.box_encodings_clip_range
    return MapHeads(
        build_conv_params(predictor.conv_hyperparams),
        channels,
        per_location,
        num_layers=predictor.num_layers_before_predictor,
        min_depth=predictor.min_depth,
        max_depth=predictor.max_depth,
        kernel_size=predictor.kernel_size,
        num_outputs=num_outputs,
        class_bias=predictor.class_prediction_bias_init,
        depthwise=predictor.use_depthwise,
        dropout_rate=1 - predictor.dropout_keep_probability if predictor.use_dropout else None,
        box_code_size=predictor.box_code_size,
        box_clip_range=(clip.min, clip.max) if predictor.HasField("box_encodings_clip_range") else None,
        name="heads",
    )
