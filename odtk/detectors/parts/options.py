"""Options of the parts that several detector families use: tables that a family combines with rows of its own.

No TensorFlow: `odtk configure --check` reads them. They apply to every family that includes a table; if a family
differs, its own row for the message replaces the shared one.
"""

from odtk.pipeline.support import Fields, Options

_ANCHORWISE = {"anchorwise_output": "TFOD 2 ignores it"}

HYPERPARAMS: Options = {
    "Hyperparams": Fields(
        "regularizer initializer activation batch_norm sync_batch_norm force_use_bias",
        without_effect={
            "op": "TFOD 2 ignores it: each layer knows what it is",
            "regularize_depthwise": "TFOD 2 ignores it; depthwise kernels of the predictor's towers are regularized",
        },
        refused={
            "group_norm": "it has only batch norm, whose variables TFOD's checkpoints of this family hold",
        },
    ),
    "BatchNorm": Fields(
        "decay center scale epsilon",
        without_effect={
            "train": "TFOD 2 ignores it; freeze_batchnorm of the model does what it says",
        },
    ),
    "Regularizer": Fields("l1_regularizer l2_regularizer"),
    "L1Regularizer": Fields("weight"),
    "L2Regularizer": Fields("weight"),
    "Initializer": Fields("""truncated_normal_initializer variance_scaling_initializer random_normal_initializer
        keras_initializer_by_name"""),
    "TruncatedNormalInitializer": Fields("mean stddev"),
    "RandomNormalInitializer": Fields("mean stddev"),
    "VarianceScalingInitializer": Fields("factor uniform mode"),
}

IMAGE_RESIZER: Options = {
    "ImageResizer": Fields("""fixed_shape_resizer keep_aspect_ratio_resizer identity_resizer conditional_shape_resizer
        pad_to_multiple_resizer"""),
    "FixedShapeResizer": Fields("height width resize_method"),
    "KeepAspectRatioResizer": Fields(
        "min_dimension max_dimension pad_to_max_dimension resize_method per_channel_pad_value"
    ),
    "IdentityResizer": Fields(),
    "ConditionalShapeResizer": Fields("condition size_threshold resize_method"),
    "PadToMultipleResizer": Fields("multiple"),
}

BOX_CODER: Options = {
    "BoxCoder": Fields(
        "faster_rcnn_box_coder mean_stddev_box_coder square_box_coder",
        refused={
            "keypoint_box_coder": "it is about keypoints, and this model predicts boxes",
        },
    ),
    "FasterRcnnBoxCoder": Fields("y_scale x_scale height_scale width_scale"),
    "MeanStddevBoxCoder": Fields("stddev"),
    "SquareBoxCoder": Fields("y_scale x_scale length_scale"),
}

MATCHING: Options = {
    "Matcher": Fields(
        "argmax_matcher",
        refused={
            "bipartite_matcher": "TFOD 2 no longer has it: its operation went with TensorFlow 1",
        },
    ),
    "ArgMaxMatcher": Fields(
        """matched_threshold unmatched_threshold ignore_thresholds negatives_lower_than_unmatched
        force_match_for_each_row""",
        without_effect={
            "use_matmul_gather": "it only chooses how TFOD gathers; the targets are the same",
        },
    ),
    "RegionSimilarityCalculator": Fields(
        "iou_similarity ioa_similarity thresholded_iou_similarity neg_sq_dist_similarity",
    ),
    "NegSqDistSimilarity": Fields(),
    "ThresholdedIouSimilarity": Fields("iou_threshold"),
    "IouSimilarity": Fields(),
    "IoaSimilarity": Fields(),
}

SHARED_HEADS: Options = {
    "BoxPredictor": Fields("weight_shared_convolutional_box_predictor"),
    "WeightSharedConvolutionalBoxPredictor": Fields("""conv_hyperparams num_layers_before_predictor depth kernel_size
        box_code_size class_prediction_bias_init use_dropout dropout_keep_probability share_prediction_tower
        use_depthwise box_encodings_clip_range score_converter apply_conv_hyperparams_to_heads
        apply_conv_hyperparams_pointwise"""),
    "BoxEncodingsClipRange": Fields("min max"),
}

MAP_HEADS: Options = {
    "ConvolutionalBoxPredictor": Fields(
        """conv_hyperparams min_depth max_depth num_layers_before_predictor use_dropout dropout_keep_probability
        kernel_size box_code_size class_prediction_bias_init use_depthwise box_encodings_clip_range""",
        without_effect={
            "apply_sigmoid_to_scores": "TFOD 2 ignores it; score_converter of post_processing makes scores of logits",
        },
    ),
    "BoxEncodingsClipRange": Fields("min max"),
}

MULTISCALE_ANCHORS: Options = {
    "AnchorGenerator": Fields("multiscale_anchor_generator"),
    "MultiscaleAnchorGenerator": Fields(
        "min_level max_level anchor_scale aspect_ratios scales_per_octave",
        refused={
            "normalize_coordinates": "boxes are relative to the image, and so must anchors be",
        },
    ),
}

SSD_ANCHORS: Options = {
    "SsdAnchorGenerator": Fields("""num_layers min_scale max_scale scales aspect_ratios interpolated_scale_aspect_ratio
        reduce_boxes_in_lowest_layer base_anchor_height base_anchor_width height_stride width_stride height_offset
        width_offset"""),
}

FLEXIBLE_ANCHORS: Options = {
    "FlexibleGridAnchorGenerator": Fields(
        "anchor_grid",
        refused={
            "normalize_coordinates": "boxes are relative to the image, and so must anchors be",
        },
    ),
    "AnchorGrid": Fields("base_sizes aspect_ratios height_stride width_stride height_offset width_offset"),
}

POST_PROCESSING: Options = {
    "PostProcessing": Fields("batch_non_max_suppression score_converter logit_scale calibration_config"),
    "CalibrationConfig": Fields(
        "function_approximation class_id_function_approximations temperature_scaling_calibration",
        refused={
            "sigmoid_calibration": "TFOD has the field and nothing that reads it, and refuses it",
            "class_id_sigmoid_calibrations": "TFOD has the field and nothing that reads it, and refuses it",
        },
    ),
    "FunctionApproximation": Fields("x_y_pairs"),
    "ClassIdFunctionApproximations": Fields("class_id_xy_pairs_map"),
    "XYPairs": Fields(
        "x_y_pair",
        without_effect={
            "training_data_type": "it only says how the calibration was found",
        },
    ),
    "XYPair": Fields("x y"),
    "TemperatureScalingCalibration": Fields("scaler"),
    "BatchNonMaxSuppression": Fields(
        """score_threshold iou_threshold max_detections_per_class max_total_detections soft_nms_sigma
        change_coordinate_frame use_class_agnostic_nms""",
        without_effect={
            "use_static_shapes": "odtk always gives max_total_detections, zeros after the last; the boxes are TFOD's",
            "use_hard_nms": "suppression is hard wherever soft_nms_sigma is 0",
            "use_partitioned_nms": "it is another way to the same boxes",
            "use_cpu_nms": "it only says where TFOD suppresses",
            "max_classes_per_detection": "TFOD reads it with use_class_agnostic_nms only, where it takes just 1",
        },
        refused={
            "use_combined_nms": "TFOD refuses it for SSD, whose boxes are relative to the image without its padding",
        },
    ),
}

LOSS: Options = {
    "Loss": Fields(
        """localization_loss classification_loss classification_weight localization_weight
        hard_example_miner random_example_sampler""",
        without_effect={
            "min_num_negative_samples": "TFOD reads it with expected_loss_weights only",
            "desired_negative_sampling_ratio": "TFOD reads it with expected_loss_weights only",
            "equalization_loss": "TFOD 2 ignores it: its SSD keeps the field and has nothing that reads it",
        },
        refused={
            "expected_loss_weights": "TFOD 2 fails with it: it calls functions that it does not have",
        },
    ),
    "HardExampleMiner": Fields(
        """num_hard_examples iou_threshold loss_type max_negatives_per_positive min_negatives_per_image"""
    ),
    "RandomExampleSampler": Fields("positive_sample_fraction"),
    "LocalizationLoss": Fields(
        "weighted_l2 weighted_smooth_l1 weighted_iou weighted_giou",
        refused={
            "l1_localization_loss": "it is CenterNet's, and TFOD's SSD fails with it",
        },
    ),
    "WeightedIOULocalizationLoss": Fields(),
    "WeightedGIOULocalizationLoss": Fields(),
    "WeightedL2LocalizationLoss": Fields(without_effect=_ANCHORWISE),
    "WeightedSmoothL1LocalizationLoss": Fields("delta", without_effect=_ANCHORWISE),
    "ClassificationLoss": Fields(
        """weighted_sigmoid weighted_softmax bootstrapped_sigmoid weighted_sigmoid_focal weighted_logits_softmax
        penalty_reduced_logistic_focal_loss weighted_dice_classification_loss""",
    ),
    "WeightedSoftmaxClassificationAgainstLogitsLoss": Fields("logit_scale", without_effect=_ANCHORWISE),
    "PenaltyReducedLogisticFocalLoss": Fields("alpha beta"),
    "WeightedDiceClassificationLoss": Fields("squared_normalization is_prediction_probability"),
    "WeightedSigmoidClassificationLoss": Fields(without_effect=_ANCHORWISE),
    "WeightedSoftmaxClassificationLoss": Fields("logit_scale", without_effect=_ANCHORWISE),
    "BootstrappedSigmoidClassificationLoss": Fields("alpha hard_bootstrap", without_effect=_ANCHORWISE),
    "SigmoidFocalClassificationLoss": Fields("gamma alpha", without_effect=_ANCHORWISE),
}
