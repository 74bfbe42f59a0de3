"""Options of every Faster R-CNN, except those of its feature extractor. No TensorFlow."""

from odtk.detectors.parts import options
from odtk.pipeline.support import Fields

_OF_PYRAMIDS = "it is for the extractors with a pyramid, and TFOD fails with it here"
_MASKS = "it is for masks, which come with predict_instance_masks only"
_AS_SOFTMAX = "TFOD's Faster R-CNN does not know it and takes weighted_softmax instead"
_NOT_THE_SECOND_STAGES = "the second stage is a mask_rcnn_box_predictor; TFOD fails with any other"

FASTER_RCNN: dict[str, Fields] = {
    "DetectionModel": Fields("faster_rcnn"),
    "FasterRcnn": Fields(
        """number_of_stages num_classes image_resizer feature_extractor first_stage_anchor_generator
        first_stage_atrous_rate first_stage_box_predictor_conv_hyperparams first_stage_box_predictor_kernel_size
        first_stage_box_predictor_depth first_stage_minibatch_size first_stage_positive_balance_fraction
        first_stage_nms_score_threshold first_stage_nms_iou_threshold first_stage_max_proposals
        first_stage_localization_loss_weight first_stage_objectness_loss_weight initial_crop_size maxpool_kernel_size
        maxpool_stride second_stage_box_predictor second_stage_batch_size second_stage_balance_fraction
        second_stage_post_processing second_stage_localization_loss_weight second_stage_classification_loss_weight
        hard_example_miner second_stage_classification_loss use_matmul_crop_and_resize clip_anchors_to_image
        use_static_balanced_label_sampler use_static_shapes use_static_shapes_for_eval
        return_raw_detections_during_predict use_combined_nms_in_first_stage output_final_box_features
        output_final_box_rpn_features""",
        without_effect={
            "use_matmul_gather_in_matcher": "it only chooses how TFOD gathers; the targets are the same",
            "use_partitioned_nms_in_first_stage": "it is another way to the same proposals",
            "second_stage_mask_prediction_loss_weight": _MASKS,
            "resize_masks": _MASKS,
        },
        refused={
            "inplace_batchnorm_update": "TFOD refuses it for Faster R-CNN",
            "context_config": "it belongs to Context R-CNN, which also reads features of other images",
        },
    ),
    "BoxPredictor": Fields(
        "mask_rcnn_box_predictor",
        refused={
            "rfcn_box_predictor": "it belongs to R-FCN, another detector",
            "convolutional_box_predictor": _NOT_THE_SECOND_STAGES,
            "weight_shared_convolutional_box_predictor": _NOT_THE_SECOND_STAGES,
        },
    ),
    "MaskRCNNBoxPredictor": Fields(
        "fc_hyperparams use_dropout dropout_keep_probability box_code_size share_box_across_classes",
        without_effect={
            "conv_hyperparams": _MASKS,
            "mask_prediction_conv_depth": _MASKS,
            "mask_height": _MASKS,
            "mask_width": _MASKS,
            "mask_prediction_num_conv_layers": _MASKS,
            "masks_are_class_agnostic": _MASKS,
            "convolve_then_upsample_masks": _MASKS,
            "predict_keypoints": "TFOD 2 ignores it",
        },
        refused={
            "predict_instance_masks": "it makes the model a Mask R-CNN, and odtk's models predict boxes",
        },
    ),
    "AnchorGenerator": Fields(
        "grid_anchor_generator multiscale_anchor_generator",
        refused={
            "ssd_anchor_generator": "its anchors are relative to the image, and the first stage's are in pixels",
        },
    ),
    "GridAnchorGenerator": Fields(
        "height width height_stride width_stride height_offset width_offset scales aspect_ratios"
    ),
    "MultiscaleAnchorGenerator": Fields(
        "min_level max_level anchor_scale aspect_ratios scales_per_octave normalize_coordinates"
    ),
    **options.HYPERPARAMS,
    **options.IMAGE_RESIZER,
    **options.POST_PROCESSING,
    "BatchNonMaxSuppression": Fields(
        """score_threshold iou_threshold max_detections_per_class max_total_detections soft_nms_sigma
        use_class_agnostic_nms""",
        without_effect=dict(options.POST_PROCESSING["BatchNonMaxSuppression"].without_effect)
        | {"change_coordinate_frame": "TFOD ignores it here: boxes always come out relative to the unpadded image"},
        refused={
            "use_combined_nms": "TFOD refuses it for the second stage, where the number of proposals varies",
        },
    ),
    "HardExampleMiner": Fields(
        "num_hard_examples iou_threshold loss_type",
        without_effect={
            "max_negatives_per_positive": "TFOD ignores it for Faster R-CNN",
            "min_negatives_per_image": "TFOD ignores it for Faster R-CNN",
        },
    ),
    **{
        kind: options.LOSS[kind]
        for kind in (
            "WeightedSigmoidClassificationLoss",
            "WeightedSoftmaxClassificationLoss",
            "WeightedSoftmaxClassificationAgainstLogitsLoss",
            "SigmoidFocalClassificationLoss",
        )
    },
    "ClassificationLoss": Fields(
        "weighted_sigmoid weighted_softmax weighted_sigmoid_focal weighted_logits_softmax",
        refused={
            "bootstrapped_sigmoid": _AS_SOFTMAX,
            "penalty_reduced_logistic_focal_loss": _AS_SOFTMAX,
            "weighted_dice_classification_loss": _AS_SOFTMAX,
        },
    ),
}

# With a feature extractor without a pyramid.
FASTER_RCNN_WITHOUT_PYRAMID: dict[str, Fields] = FASTER_RCNN | {
    "FasterRcnnFeatureExtractor": Fields(
        "type first_stage_features_stride batch_norm_trainable",
        without_effect={
            "pad_to_multiple": "TFOD 2 ignores it",
            "override_base_feature_extractor_hyperparams": "TFOD reads it with conv_hyperparams only",
        },
        refused={"conv_hyperparams": _OF_PYRAMIDS, "fpn": _OF_PYRAMIDS},
    )
}
