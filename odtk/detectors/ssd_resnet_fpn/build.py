"""Builds TFOD's SSD-ResNet-FPN family from a config's `ssd` message."""

import functools
import re

import tensorflow as tf

from odtk import losses
from odtk.boxes import geometry
from odtk.boxes.anchors import MultiscaleAnchors
from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder
from odtk.boxes.matching import argmax_match
from odtk.boxes.suppression import SuppressionParams
from odtk.detectors.hyperparams import BACKBONE_DEFAULTS, build_conv_params
from odtk.detectors.resizer import build_resizer, output_size
from odtk.detectors.ssd import CHANNEL_MEANS, SsdDetector, SsdNetwork, SsdTraining
from odtk.detectors.ssd_resnet_fpn.tfod_keys import tfod_keys
from odtk.errors import ConfigError
from odtk.layers.fpn import FeaturePyramid
from odtk.layers.heads import SharedHeads
from odtk.layers.resnet_v1 import resnet_v1
from odtk.protos import post_processing_pb2, ssd_pb2

# Levels 3..5 come from the backbone and two coarser ones follow, whatever `fpn {}` says (TFOD ignores it).
NUM_LEVELS = 5
PYRAMID_DEPTH = 256


def build_ssd_resnet_fpn(ssd: ssd_pb2.Ssd) -> SsdDetector:
    """Every field of `ssd` is either read here or refused by odtk.pipeline.support before."""
    anchors = build_anchors(ssd)
    return SsdDetector(
        network=build_network(ssd, anchors.per_location),
        anchors=anchors,
        coder=build_coder(ssd),
        resize=build_resizer(ssd.image_resizer, zero=CHANNEL_MEANS),
        image_size=output_size(ssd.image_resizer),
        num_classes=ssd.num_classes,
        training=build_training(ssd),
        suppression=build_suppression(ssd.post_processing.batch_non_max_suppression),
        score_converter=build_score_converter(ssd.post_processing),
        freeze_batch_norm=ssd.freeze_batchnorm,
        pad_to_multiple=ssd.feature_extractor.pad_to_multiple,
        keys=tfod_keys,
        name="ssd_resnet_fpn",
    )


def build_network(ssd: ssd_pb2.Ssd, anchors_per_location: int) -> SsdNetwork:
    """Backbone, pyramid and heads."""
    extractor = ssd.feature_extractor
    params = build_conv_params(extractor.conv_hyperparams)
    own = extractor.override_base_feature_extractor_hyperparams
    depth = int(re.search(r"resnet(\d+)", extractor.type)[1])
    return SsdNetwork(
        resnet_v1(depth, params if own else BACKBONE_DEFAULTS, extractor.depth_multiplier, extractor.min_depth),
        FeaturePyramid(
            params, max(int(PYRAMID_DEPTH * extractor.depth_multiplier), extractor.min_depth), name="pyramid"
        ),
        build_heads(ssd, anchors_per_location),
        name="network",
    )


def build_heads(ssd: ssd_pb2.Ssd, anchors_per_location: int) -> SharedHeads:
    """The weight-shared box predictor."""
    predictor = ssd.box_predictor.weight_shared_convolutional_box_predictor
    clip = predictor.box_encodings_clip_range
    if predictor.box_code_size != 4:
        raise ConfigError(
            "model.ssd.box_predictor.weight_shared_convolutional_box_predictor.box_code_size is "
            f"{predictor.box_code_size}; a box has four codes, so it must be 4."
        )
    return SharedHeads(
        build_conv_params(predictor.conv_hyperparams),
        depth=predictor.depth,
        num_layers=predictor.num_layers_before_predictor,
        kernel_size=predictor.kernel_size,
        num_levels=NUM_LEVELS,
        anchors_per_location=anchors_per_location,
        num_outputs=ssd.num_classes + 1,
        class_bias=predictor.class_prediction_bias_init,
        share_tower=predictor.share_prediction_tower,
        depthwise=predictor.use_depthwise,
        dropout_rate=1 - predictor.dropout_keep_probability if predictor.use_dropout else None,
        box_clip_range=(clip.min, clip.max) if predictor.HasField("box_encodings_clip_range") else None,
        name="heads",
    )


def build_anchors(ssd: ssd_pb2.Ssd) -> MultiscaleAnchors:
    """Multiscale anchors on exactly five levels."""
    grid = ssd.anchor_generator.multiscale_anchor_generator
    if grid.max_level - grid.min_level + 1 != NUM_LEVELS:
        raise ConfigError(
            f"model.ssd.anchor_generator.multiscale_anchor_generator has levels {grid.min_level} to {grid.max_level}; "
            f"this network has {NUM_LEVELS} feature maps, so max_level must be min_level + {NUM_LEVELS - 1}."
        )
    return MultiscaleAnchors(
        grid.min_level, grid.max_level, grid.anchor_scale, tuple(grid.aspect_ratios) or (1.0,), grid.scales_per_octave
    )


def build_coder(ssd: ssd_pb2.Ssd) -> FasterRcnnCoder | MeanStddevCoder:
    """The box coder."""
    if ssd.box_coder.WhichOneof("box_coder_oneof") == "mean_stddev_box_coder":
        return MeanStddevCoder(ssd.box_coder.mean_stddev_box_coder.stddev)
    scales = ssd.box_coder.faster_rcnn_box_coder
    return FasterRcnnCoder(scales.y_scale, scales.x_scale, scales.height_scale, scales.width_scale)


def build_training(ssd: ssd_pb2.Ssd) -> SsdTraining:
    """Matching and losses, bound to the config's numbers."""
    matcher = ssd.matcher.argmax_matcher
    kind = ssd.similarity_calculator.WhichOneof("region_similarity")
    return SsdTraining(
        similarity={"iou_similarity": geometry.iou, "ioa_similarity": geometry.ioa}[kind or "iou_similarity"],
        match=functools.partial(
            argmax_match,
            matched_threshold=float("-inf") if matcher.ignore_thresholds else matcher.matched_threshold,
            unmatched_threshold=float("-inf") if matcher.ignore_thresholds else matcher.unmatched_threshold,
            negatives_lower_than_unmatched=matcher.negatives_lower_than_unmatched,
            force_match=matcher.force_match_for_each_row,
        ),
        localization_loss=build_localization_loss(ssd),
        classification_loss=build_classification_loss(ssd),
        unmatched_weight=ssd.negative_class_weight,
        localization_weight=ssd.loss.localization_weight,
        classification_weight=ssd.loss.classification_weight,
        normalize_by_num_matches=ssd.normalize_loss_by_num_matches,
        normalize_by_code_size=ssd.normalize_loc_loss_by_codesize,
        background_as_zeros=ssd.encode_background_as_zeros,
    )


def build_localization_loss(ssd: ssd_pb2.Ssd):
    """A function of (predictions, targets, weights)."""
    loss = ssd.loss.localization_loss
    if loss.WhichOneof("localization_loss") == "weighted_l2":
        return losses.l2
    return functools.partial(losses.smooth_l1, delta=loss.weighted_smooth_l1.delta)


def build_classification_loss(ssd: ssd_pb2.Ssd):
    """A function of (logits, targets, weights)."""
    loss = ssd.loss.classification_loss
    match loss.WhichOneof("classification_loss"):
        case "weighted_sigmoid_focal":
            focal = loss.weighted_sigmoid_focal
            return functools.partial(
                losses.sigmoid_focal, gamma=focal.gamma, alpha=focal.alpha if focal.HasField("alpha") else None
            )
        case "weighted_softmax":
            return functools.partial(losses.softmax_cross_entropy, logit_scale=loss.weighted_softmax.logit_scale)
        case "bootstrapped_sigmoid":
            boot = loss.bootstrapped_sigmoid
            return functools.partial(losses.bootstrapped_sigmoid, alpha=boot.alpha, hard=boot.hard_bootstrap)
    return losses.sigmoid_cross_entropy


def build_score_converter(post_processing: post_processing_pb2.PostProcessing):
    """Logits to scores."""
    convert = {"IDENTITY": tf.identity, "SIGMOID": tf.sigmoid, "SOFTMAX": tf.nn.softmax}[
        post_processing_pb2.PostProcessing.ScoreConverter.Name(post_processing.score_converter)
    ]
    return lambda logits: convert(logits / post_processing.logit_scale)


def build_suppression(nms: post_processing_pb2.BatchNonMaxSuppression) -> SuppressionParams:
    """Plain numbers of the suppression."""
    return SuppressionParams(
        score_threshold=nms.score_threshold,
        iou_threshold=nms.iou_threshold,
        max_per_class=nms.max_detections_per_class,
        max_total=nms.max_total_detections,
        soft_sigma=nms.soft_nms_sigma,
        change_coordinate_frame=nms.change_coordinate_frame,
    )
