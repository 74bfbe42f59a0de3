"""Builds a Faster R-CNN from a config's `faster_rcnn` message and the extractor of its family."""

import dataclasses

from odtk.boxes.proposals import ProposalParams
from odtk.detectors.faster_rcnn.anchors import build_anchors
from odtk.detectors.faster_rcnn.detections import Detections
from odtk.detectors.faster_rcnn.detector import FasterRcnnDetector
from odtk.detectors.faster_rcnn.extractor import Extractor
from odtk.detectors.faster_rcnn.first_stage import FirstStage, Sampling
from odtk.detectors.faster_rcnn.network import Cropping, FasterRcnnNetwork
from odtk.detectors.faster_rcnn.second_stage import Mining, SecondStage
from odtk.detectors.parts.hyperparams import build_conv_params
from odtk.detectors.parts.input_size import output_size
from odtk.detectors.parts.losses import build_classification_loss
from odtk.detectors.parts.resizer import build_resizer
from odtk.detectors.parts.score_conversion import build_score_converter
from odtk.detectors.parts.suppression import build_suppression
from odtk.layers.region_heads import RegionHeads
from odtk.layers.region_proposals import RegionProposalHead
from odtk.protos import faster_rcnn_pb2, losses_pb2


def build_faster_rcnn(model: faster_rcnn_pb2.FasterRcnn, extractor: Extractor) -> FasterRcnnDetector:
    """Every field of `model` is read here or in the parts' builders, or was refused by the family."""
    has_second = model.number_of_stages > 1
    return FasterRcnnDetector(
        network=_build_network(model, extractor),
        preprocess=extractor.preprocess,
        resize=build_resizer(model.image_resizer),
        image_size=output_size(model.image_resizer),
        num_classes=model.num_classes,
        first=_build_first_stage(model),
        second=_build_second_stage(model) if has_second else None,
        detections=_build_detections(model) if has_second else None,
        layout=extractor.layout,
        train_batch_norm=model.feature_extractor.batch_norm_trainable,
        returns_raw=model.return_raw_detections_during_predict,
        name=extractor.name,
    )


def _build_network(model: faster_rcnn_pb2.FasterRcnn, extractor: Extractor) -> FasterRcnnNetwork:
    heads = model.second_stage_box_predictor.mask_rcnn_box_predictor
    return FasterRcnnNetwork(
        extractor.features,
        RegionProposalHead(
            build_conv_params(model.first_stage_box_predictor_conv_hyperparams),
            depth=model.first_stage_box_predictor_depth,
            kernel_size=model.first_stage_box_predictor_kernel_size,
            dilation=model.first_stage_atrous_rate,
            anchors_per_location=build_anchors(model.first_stage_anchor_generator).per_location,
            num_levels=extractor.num_levels,
            name="proposal_head",
        ),
        Cropping(
            model.initial_crop_size, model.maxpool_kernel_size, model.maxpool_stride, model.use_matmul_crop_and_resize
        ),
        extractor.region_features if model.number_of_stages > 1 else None,
        RegionHeads(
            build_conv_params(heads.fc_hyperparams),
            num_boxes=1 if heads.share_box_across_classes else model.num_classes,
            num_columns=model.num_classes + 1,
            dropout_rate=1 - heads.dropout_keep_probability if heads.use_dropout else None,
            name="region_heads",
        ),
        name="network",
    )


def _build_first_stage(model: faster_rcnn_pb2.FasterRcnn) -> FirstStage:
    anchors = build_anchors(model.first_stage_anchor_generator)
    return FirstStage(
        anchors=anchors.lay_out,
        per_location=anchors.per_location,
        proposals=ProposalParams(
            model.first_stage_max_proposals,
            model.first_stage_nms_iou_threshold,
            model.first_stage_nms_score_threshold,
            keeps_empty=model.use_combined_nms_in_first_stage,
        ),
        sampling=_sampling(model, model.first_stage_minibatch_size, model.first_stage_positive_balance_fraction),
        clips_anchors=model.clip_anchors_to_image,
        localization_weight=model.first_stage_localization_loss_weight,
        objectness_weight=model.first_stage_objectness_loss_weight,
    )


def _build_second_stage(model: faster_rcnn_pb2.FasterRcnn) -> SecondStage:
    loss = losses_pb2.ClassificationLoss(weighted_softmax={})
    if model.second_stage_classification_loss.WhichOneof("classification_loss") is not None:
        loss = model.second_stage_classification_loss
    return SecondStage(
        num_classes=model.num_classes,
        sampling=_sampling(model, model.second_stage_batch_size, model.second_stage_balance_fraction),
        classification_loss=build_classification_loss(loss),
        localization_weight=model.second_stage_localization_loss_weight,
        classification_weight=model.second_stage_classification_loss_weight,
        mining=_mining(model.hard_example_miner) if model.HasField("hard_example_miner") else None,
        fills_up=model.use_static_shapes,
    )


def _build_detections(model: faster_rcnn_pb2.FasterRcnn) -> Detections:
    processing = model.second_stage_post_processing
    return Detections(
        # Whatever change_coordinate_frame says, as in TFOD.
        suppression=dataclasses.replace(
            build_suppression(processing.batch_non_max_suppression), change_coordinate_frame=True
        ),
        scores=build_score_converter(processing),
        class_agnostic=processing.batch_non_max_suppression.use_class_agnostic_nms,
        adds_features=model.output_final_box_features,
        adds_crops=model.output_final_box_rpn_features,
    )


def _sampling(model: faster_rcnn_pb2.FasterRcnn, size: int, positive_fraction: float) -> Sampling:
    is_exact = model.use_static_balanced_label_sampler and model.use_static_shapes
    return Sampling(size, positive_fraction, is_exact, is_exact and model.use_static_shapes_for_eval)


def _mining(miner: losses_pb2.HardExampleMiner) -> Mining:
    by = losses_pb2.HardExampleMiner.LossType.Name(miner.loss_type).lower()
    return Mining(miner.num_hard_examples, miner.iou_threshold, by)
