"""Builds TFOD's SSD-ResNet-FPN family from a config's `ssd` message."""

import functools
import re

from odtk import losses
from odtk.boxes import geometry
from odtk.boxes.anchors import MultiscaleAnchors
from odtk.boxes.coding import FasterRcnnCoder, MeanStddevCoder, SquareCoder
from odtk.boxes.matching import argmax_match
from odtk.boxes.suppression import SuppressionParams
from odtk.detectors.parts.hyperparams import BACKBONE_DEFAULTS, build_conv_params
from odtk.detectors.parts.input_size import InputSize
from odtk.detectors.parts.resizer import build_resizer, output_size
from odtk.detectors.parts.score_conversion import build_score_converter
from odtk.detectors.ssd.checkpoint_keys import tfod_keys
from odtk.detectors.ssd.checkpoint_objects import tfod_other_paths
from odtk.detectors.ssd.detector import CHANNEL_MEANS, SsdDetector, SsdNetwork
from odtk.detectors.ssd.training import Background, HardExampleMining, SsdTraining
from odtk.detectors.ssd.validation import LEAST_SIDE, MERGE_STRIDE, NUM_LEVELS, refusals
from odtk.errors import ConfigError
from odtk.layers.fpn import FeaturePyramid
from odtk.layers.heads import SharedHeads
from odtk.layers.resnet_v1 import resnet_v1
from odtk.protos import losses_pb2, post_processing_pb2, ssd_pb2

# Levels 3..5 come from the backbone and two coarser ones follow, whatever `fpn {}` says (TFOD ignores it).
PYRAMID_DEPTH = 256


def build_ssd_resnet_fpn(ssd: ssd_pb2.Ssd) -> SsdDetector:
    """Every field of `ssd` is either read here or refused by odtk.pipeline.support before.

    Raises ConfigError for what no such network can be built from; nothing is built then.
    """
    found = refusals(ssd)
    if found:
        raise ConfigError(
            "This model cannot be built: " + " ".join(f"{path} {reason}" for path, reason in found)
            + " `odtk configure CONFIG --check` names the commands that mend it."
        )  # fmt: skip
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
        background=build_background(ssd),
        class_agnostic=ssd.post_processing.batch_non_max_suppression.use_class_agnostic_nms,
        freeze_batch_norm=ssd.freeze_batchnorm,
        frame=InputSize(max(ssd.feature_extractor.pad_to_multiple, 1), LEAST_SIDE, MERGE_STRIDE),
        keys=tfod_keys,
        other_paths=tfod_other_paths,
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
    return SharedHeads(
        build_conv_params(predictor.conv_hyperparams),
        depth=predictor.depth,
        num_layers=predictor.num_layers_before_predictor,
        kernel_size=predictor.kernel_size,
        num_levels=NUM_LEVELS,
        anchors_per_location=anchors_per_location,
        num_outputs=build_background(ssd).columns(ssd.num_classes),
        class_bias=predictor.class_prediction_bias_init,
        share_tower=predictor.share_prediction_tower,
        depthwise=predictor.use_depthwise,
        rule_pointwise=predictor.apply_conv_hyperparams_pointwise,
        rule_predictions=predictor.apply_conv_hyperparams_to_heads,
        dropout_rate=1 - predictor.dropout_keep_probability if predictor.use_dropout else None,
        box_code_size=predictor.box_code_size,
        box_clip_range=(clip.min, clip.max) if predictor.HasField("box_encodings_clip_range") else None,
        sigmoid_scores=predictor.score_converter == predictor.SIGMOID,
        name="heads",
    )


def build_anchors(ssd: ssd_pb2.Ssd) -> MultiscaleAnchors:
    """Multiscale anchors, one level for each of the network's feature maps."""
    grid = ssd.anchor_generator.multiscale_anchor_generator
    return MultiscaleAnchors(
        grid.min_level, grid.max_level, grid.anchor_scale, tuple(grid.aspect_ratios) or (1.0,), grid.scales_per_octave
    )


def build_background(ssd: ssd_pb2.Ssd) -> Background:
    """Where the background is among the logits."""
    return Background(ssd.add_background_class, ssd.explicit_background_class, ssd.encode_background_as_zeros)


def build_coder(ssd: ssd_pb2.Ssd) -> FasterRcnnCoder | MeanStddevCoder | SquareCoder:
    """The box coder."""
    match ssd.box_coder.WhichOneof("box_coder_oneof"):
        case "mean_stddev_box_coder":
            return MeanStddevCoder(ssd.box_coder.mean_stddev_box_coder.stddev)
        case "square_box_coder":
            scales = ssd.box_coder.square_box_coder
            return SquareCoder(scales.y_scale, scales.x_scale, scales.length_scale)
    scales = ssd.box_coder.faster_rcnn_box_coder
    return FasterRcnnCoder(scales.y_scale, scales.x_scale, scales.height_scale, scales.width_scale)


def build_training(ssd: ssd_pb2.Ssd) -> SsdTraining:
    """Matching and losses, bound to the config's numbers."""
    matcher = ssd.matcher.argmax_matcher
    sampler = ssd.loss.random_example_sampler
    return SsdTraining(
        similarity=build_similarity(ssd),
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
        positive_fraction=sampler.positive_sample_fraction if ssd.loss.HasField("random_example_sampler") else None,
        mining=build_mining(ssd.loss),
    )


def build_similarity(ssd: ssd_pb2.Ssd):
    """A function of (boxes, anchors)."""
    calculator = ssd.similarity_calculator
    if calculator.HasField("thresholded_iou_similarity"):
        threshold = calculator.thresholded_iou_similarity.iou_threshold
        return functools.partial(geometry.thresholded_iou, iou_threshold=threshold)
    kind = calculator.WhichOneof("region_similarity")
    return {"iou_similarity": geometry.iou, "ioa_similarity": geometry.ioa}[kind]


def build_mining(loss: losses_pb2.Loss) -> HardExampleMining | None:
    """Hard example mining, where the config has it."""
    if not loss.HasField("hard_example_miner"):
        return None
    miner = loss.hard_example_miner
    return HardExampleMining(
        num_hard_examples=miner.num_hard_examples,
        iou_threshold=miner.iou_threshold,
        by=losses_pb2.HardExampleMiner.LossType.Name(miner.loss_type).lower(),
        max_negatives_per_positive=miner.max_negatives_per_positive,
        min_negatives_per_image=miner.min_negatives_per_image,
    )


def build_localization_loss(ssd: ssd_pb2.Ssd):
    """A function of (predictions, targets, weights)."""
    loss = ssd.loss.localization_loss
    others = {"weighted_l2": losses.l2, "weighted_iou": losses.iou, "weighted_giou": losses.giou}
    kind = loss.WhichOneof("localization_loss")
    if kind in others:
        return others[kind]
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
