"""What of the schema odtk implements: every other option that a config sets is refused, never ignored.

Both tables go by message type, so that an option has one entry wherever its message is used.
"""

from typing import NamedTuple

from google.protobuf.message import Message

from odtk.errors import ConfigError

IMPLEMENTED = {
    "TrainEvalPipelineConfig": "model train_config train_input_reader eval_config eval_input_reader",
    "DetectionModel": "ssd",
    "Ssd": """num_classes image_resizer feature_extractor box_coder matcher similarity_calculator
        encode_background_as_zeros negative_class_weight box_predictor anchor_generator post_processing
        normalize_loss_by_num_matches normalize_loc_loss_by_codesize loss freeze_batchnorm
        add_background_class explicit_background_class""",
    "SsdFeatureExtractor": """type depth_multiplier min_depth conv_hyperparams pad_to_multiple
        override_base_feature_extractor_hyperparams""",
    "Hyperparams": "regularizer initializer activation batch_norm force_use_bias",
    "BatchNorm": "decay center scale epsilon",
    "Regularizer": "l1_regularizer l2_regularizer",
    "L1Regularizer": "weight",
    "L2Regularizer": "weight",
    "Initializer": """truncated_normal_initializer variance_scaling_initializer random_normal_initializer
        keras_initializer_by_name""",
    "TruncatedNormalInitializer": "mean stddev",
    "RandomNormalInitializer": "mean stddev",
    "VarianceScalingInitializer": "factor uniform mode",
    "ImageResizer": """fixed_shape_resizer keep_aspect_ratio_resizer identity_resizer conditional_shape_resizer
        pad_to_multiple_resizer""",
    "FixedShapeResizer": "height width resize_method",
    "KeepAspectRatioResizer": "min_dimension max_dimension pad_to_max_dimension resize_method per_channel_pad_value",
    "IdentityResizer": "",
    "ConditionalShapeResizer": "condition size_threshold resize_method",
    "PadToMultipleResizer": "multiple",
    "BoxCoder": "faster_rcnn_box_coder mean_stddev_box_coder square_box_coder",
    "FasterRcnnBoxCoder": "y_scale x_scale height_scale width_scale",
    "MeanStddevBoxCoder": "stddev",
    "SquareBoxCoder": "y_scale x_scale length_scale",
    "Matcher": "argmax_matcher",
    "ArgMaxMatcher": """matched_threshold unmatched_threshold ignore_thresholds negatives_lower_than_unmatched
        force_match_for_each_row""",
    "RegionSimilarityCalculator": "iou_similarity ioa_similarity thresholded_iou_similarity",
    "ThresholdedIouSimilarity": "iou_threshold",
    "IouSimilarity": "",
    "IoaSimilarity": "",
    "BoxPredictor": "weight_shared_convolutional_box_predictor",
    "WeightSharedConvolutionalBoxPredictor": """conv_hyperparams num_layers_before_predictor depth kernel_size
        box_code_size class_prediction_bias_init use_dropout dropout_keep_probability share_prediction_tower
        use_depthwise box_encodings_clip_range score_converter apply_conv_hyperparams_to_heads
        apply_conv_hyperparams_pointwise""",
    "BoxEncodingsClipRange": "min max",
    "AnchorGenerator": "multiscale_anchor_generator",
    "MultiscaleAnchorGenerator": "min_level max_level anchor_scale aspect_ratios scales_per_octave",
    "PostProcessing": "batch_non_max_suppression score_converter logit_scale calibration_config",
    "CalibrationConfig": "function_approximation class_id_function_approximations temperature_scaling_calibration",
    "FunctionApproximation": "x_y_pairs",
    "ClassIdFunctionApproximations": "class_id_xy_pairs_map",
    "XYPairs": "x_y_pair",
    "XYPair": "x y",
    "TemperatureScalingCalibration": "scaler",
    "BatchNonMaxSuppression": """score_threshold iou_threshold max_detections_per_class max_total_detections
        soft_nms_sigma change_coordinate_frame use_class_agnostic_nms""",
    "Loss": """localization_loss classification_loss classification_weight localization_weight hard_example_miner
        random_example_sampler""",
    "HardExampleMiner": """num_hard_examples iou_threshold loss_type max_negatives_per_positive
        min_negatives_per_image""",
    "RandomExampleSampler": "positive_sample_fraction",
    "LocalizationLoss": "weighted_l2 weighted_smooth_l1 weighted_iou weighted_giou",
    "WeightedIOULocalizationLoss": "",
    "WeightedGIOULocalizationLoss": "",
    "WeightedL2LocalizationLoss": "",
    "WeightedSmoothL1LocalizationLoss": "delta",
    "ClassificationLoss": "weighted_sigmoid weighted_softmax bootstrapped_sigmoid weighted_sigmoid_focal",
    "WeightedSigmoidClassificationLoss": "",
    "WeightedSoftmaxClassificationLoss": "logit_scale",
    "BootstrappedSigmoidClassificationLoss": "alpha hard_bootstrap",
    "SigmoidFocalClassificationLoss": "gamma alpha",
    "TrainConfig": """batch_size data_augmentation_options optimizer gradient_clipping_by_norm fine_tune_checkpoint
        fine_tune_checkpoint_type fine_tune_checkpoint_version from_detection_checkpoint num_steps
        add_regularization_loss max_number_of_boxes""",
    "Optimizer": """momentum_optimizer rms_prop_optimizer adam_optimizer use_moving_average moving_average_decay""",
    "MomentumOptimizer": "learning_rate momentum_optimizer_value",
    "RMSPropOptimizer": "learning_rate momentum_optimizer_value decay epsilon",
    "AdamOptimizer": "learning_rate epsilon",
    "LearningRate": """constant_learning_rate exponential_decay_learning_rate manual_step_learning_rate
        cosine_decay_learning_rate""",
    "ConstantLearningRate": "learning_rate",
    "ExponentialDecayLearningRate": """initial_learning_rate decay_steps decay_factor staircase burnin_learning_rate
        burnin_steps min_learning_rate""",
    "ManualStepLearningRate": "initial_learning_rate schedule warmup",
    "LearningRateSchedule": "step learning_rate",
    "CosineDecayLearningRate": """learning_rate_base total_steps warmup_learning_rate warmup_steps
        hold_base_rate_steps""",
    "InputReader": """label_map_path shuffle shuffle_buffer_size filenames_shuffle_buffer_size num_epochs
        sample_1_of_n_examples num_readers read_block_length tf_record_input_reader max_number_of_boxes drop_remainder
        sample_from_datasets_weights""",
    "TFRecordInputReader": "input_path",
    "EvalConfig": """batch_size metrics_set use_moving_averages include_metrics_per_category all_metrics_per_category
        super_categories use_dummy_loss_in_eval""",
}

_TF1 = "it belongs to TFOD's TensorFlow 1 trainer"
_SPEED = "it changes how TFOD schedules the work, not what comes out"
_PICTURES = "it is about pictures that odtk does not write while it evaluates"

WITHOUT_EFFECT = {
    "Ssd": {
        "inplace_batchnorm_update": "TFOD 2 ignores it: Keras updates batch norm statistics in place anyway",
        "implicit_example_weight": "TFOD reads it with use_confidences_as_targets only",
        "return_raw_detections_during_predict": "neither losses nor detections use what TFOD then adds to them",
    },
    "SsdFeatureExtractor": {
        "fpn": "TFOD ignores it for this family: levels are always 3 to 7, the depth is 256 * depth_multiplier",
        "use_explicit_padding": "TFOD ignores it for this family",
        "use_depthwise": "TFOD ignores it for this family; the box predictor has its own use_depthwise",
        "num_layers": "TFOD ignores it for this family",
    },
    "Hyperparams": {
        "op": "TFOD 2 ignores it: each layer knows what it is",
        "regularize_depthwise": "TFOD 2 ignores it: the depthwise kernels of the predictor's towers are regularised",
    },
    "BatchNorm": {"train": "TFOD 2 ignores it; freeze_batchnorm of the model does what it says"},
    "BatchNonMaxSuppression": {
        "use_static_shapes": "odtk always gives max_total_detections, zeros behind the last; TFOD's are the same boxes",
        "use_hard_nms": "suppression is hard wherever soft_nms_sigma is 0",
        "use_partitioned_nms": "it is another way to the same boxes",
        "use_cpu_nms": "it only says where TFOD suppresses",
        "max_classes_per_detection": "TFOD reads it with use_class_agnostic_nms only, and takes nothing but 1 there",
    },
    "XYPairs": {"training_data_type": "it only says how the calibration was found"},
    "Loss": {
        "min_num_negative_samples": "TFOD reads it with expected_loss_weights only",
        "desired_negative_sampling_ratio": "TFOD reads it with expected_loss_weights only",
    },
    "ArgMaxMatcher": {"use_matmul_gather": "it only chooses how TFOD gathers; the targets are the same"},
    "WeightedSmoothL1LocalizationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "WeightedSigmoidClassificationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "WeightedSoftmaxClassificationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "BootstrappedSigmoidClassificationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "SigmoidFocalClassificationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "WeightedL2LocalizationLoss": {"anchorwise_output": "TFOD 2 ignores it"},
    "TrainConfig": {
        "sync_replicas": _TF1,
        "replicas_to_aggregate": _TF1,
        "startup_delay_steps": _TF1,
        "keep_checkpoint_every_n_hours": _TF1,
        "load_all_detection_checkpoint_vars": _TF1,
        "bias_grad_multiplier": _TF1,
        "batch_queue_capacity": _TF1,
        "num_batch_queue_threads": _TF1,
        "prefetch_queue_capacity": _TF1,
        "run_fine_tune_checkpoint_dummy_computation": "odtk builds the model before it restores, in every case",
        "unpad_groundtruth_tensors": "odtk's targets are the same with and without padding",
        "use_bfloat16": "TFOD heeds it on TPUs only",
        "retain_original_images": "odtk keeps no second copy of the training images",
    },
    "InputReader": {
        "name": "it only names the reader",
        "num_parallel_batches": _SPEED,
        "num_prefetch_batches": _SPEED,
        "queue_capacity": _SPEED,
        "min_after_dequeue": _SPEED,
        "prefetch_size": _SPEED,
        "num_parallel_map_calls": _SPEED,
        "load_instance_masks": "this model predicts boxes; masks in the records are passed over",
        "mask_type": "this model predicts boxes; masks in the records are passed over",
        "include_source_id": "odtk always reads it",
        "use_display_name": "class names are looked up by name and by display_name in any case, as in TFOD",
    },
    "EvalConfig": {
        "num_examples": "TFOD 2 ignores it: evaluation always covers the whole input",
        "max_evals": _TF1,
        "eval_interval_secs": "`odtk evaluate` evaluates once, when it is asked to",
        "eval_master": _TF1,
        "save_graph": _TF1,
        "export_path": _TF1,
        "num_visualizations": _PICTURES,
        "visualization_export_dir": _PICTURES,
        "min_score_threshold": _PICTURES,
        "max_num_boxes_to_visualize": _PICTURES,
        "skip_scores": _PICTURES,
        "skip_labels": _PICTURES,
        "visualize_groundtruth_boxes": _PICTURES,
        "groundtruth_box_visualization_color": _PICTURES,
        "keep_image_id_for_visualization_export": _PICTURES,
        "retain_original_images": _PICTURES,
    },
}


NOT_IMPLEMENTED = "odtk does not implement it"
_UNCOMPARED = "it is an experiment of TFOD's, for which odtk has no numbers to compare with"
_PRECISION_AT_RECALL = "it is for precision_at_recall_detection_metrics, which odtk does not have"

# Why, where there is more to say than NOT_IMPLEMENTED.
REFUSED = {
    "Ssd": {
        "use_confidences_as_targets": "it needs the confidences of boxes, which odtk does not read from records",
        "mask_head_config": "it is about masks, and this model predicts boxes",
    },
    "SsdFeatureExtractor": {
        "bifpn": "it belongs to EfficientDet",
        "spaghettinet_arch_name": "it belongs to SpaghettiNet",
        "replace_preprocessor_with_placeholder": "it belongs to TFOD's TensorFlow 1 exporter",
    },
    "Hyperparams": {
        "sync_batch_norm": "batch norm statistics are each replica's own here",
        "group_norm": "it has only batch norm, whose variables TFOD's checkpoints of this family hold",
    },
    "BoxCoder": {"keypoint_box_coder": "it is about keypoints, and this model predicts boxes"},
    "Matcher": {"bipartite_matcher": "TFOD 2 has it no more: its operation went with TensorFlow 1"},
    "RegionSimilarityCalculator": {
        "neg_sq_dist_similarity": "it is never above 0, and argmax_matcher's thresholds are never below: no box matches"
    },
    "MultiscaleAnchorGenerator": {"normalize_coordinates": "boxes are relative to the image, and so must anchors be"},
    "BatchNonMaxSuppression": {
        "use_combined_nms": "TFOD refuses it for SSD, whose boxes are relative to the image without its padding"
    },
    "CalibrationConfig": {
        "sigmoid_calibration": "TFOD has the field and nothing that reads it, and refuses it",
        "class_id_sigmoid_calibrations": "TFOD has the field and nothing that reads it, and refuses it",
    },
    "LocalizationLoss": {"l1_localization_loss": "it is CenterNet's, and TFOD's SSD fails with it"},
    "ClassificationLoss": {
        "weighted_logits_softmax": "its targets are another model's logits, and records hold classes",
        "penalty_reduced_logistic_focal_loss": "it is CenterNet's, for heat maps",
        "weighted_dice_classification_loss": "it is for masks, and this model predicts boxes",
    },
    "Loss": {"expected_loss_weights": _UNCOMPARED, "equalization_loss": _UNCOMPARED},
    "EvalConfig": {
        "parameterized_metric": "it is about keypoints, and this model predicts boxes",
        "keypoint_edge": "it is about keypoints, and this model predicts boxes",
        "eval_instance_masks": "it is about masks, and this model predicts boxes",
        "recall_lower_bound": _PRECISION_AT_RECALL,
        "recall_upper_bound": _PRECISION_AT_RECALL,
        "ignore_groundtruth": "there would be nothing to measure (`odtk predict` detects without groundtruth)",
    },
}

# Names of eval_config.metrics_set; TFOD takes the first where the config has none.
METRICS_SETS = (
    "coco_detection_metrics",
    "pascal_voc_detection_metrics",
    "weighted_pascal_voc_detection_metrics",
    "oid_V2_detection_metrics",
)
_MASKS = "it measures masks, and this model predicts boxes"
_VERIFIED = "it needs the verified image-level labels of Open Images, which odtk does not read"
REFUSED_METRICS_SETS = {
    "coco_mask_metrics": _MASKS,
    "coco_panoptic_metrics": _MASKS,
    "lvis_mask_metrics": _MASKS,
    "pascal_voc_instance_segmentation_metrics": _MASKS,
    "weighted_pascal_voc_instance_segmentation_metrics": _MASKS,
    "oid_challenge_segmentation_metrics": _MASKS,
    "coco_keypoint_metrics": "it measures keypoints, and this model predicts boxes",
    "oid_challenge_detection_metrics": _VERIFIED,
    "precision_at_recall_detection_metrics": NOT_IMPLEMENTED,
    "open_images_metrics": "its name is now oid_V2_detection_metrics",
    "open_images_detection_metrics": "its name is now oid_V2_detection_metrics",
    "open_images_V2_detection_metrics": "its name is now oid_V2_detection_metrics",
}


class Finding(NamedTuple):
    """A field that is set: its dotted path, and why it is of no use."""

    path: str
    reason: str


def unsupported(message: Message, path: str = "") -> list[Finding]:
    """Fields that `message` sets, to something other than their default, and that odtk does not implement."""
    return _classify(message, path)[0]


def without_effect(message: Message, path: str = "") -> list[Finding]:
    """Fields that `message` sets and that change nothing in TFOD 2 or here, with the reason."""
    return _classify(message, path)[1]


def refuse_unsupported(message: Message, path: str = "") -> None:
    """Raises ConfigError that names every unsupported field of a message, which stands at `path` in its config."""
    findings = unsupported(message, path)
    if findings:
        names = "; ".join(path + (f" ({why})" if why != NOT_IMPLEMENTED else "") for path, why in findings)
        raise ConfigError(
            f"The config sets what odtk does not implement: {names}. Remove {'it' if len(findings) == 1 else 'them'}, "
            "or train this model with TFOD; odtk never ignores an option that would change the numbers."
        )


def _classify(message: Message, path: str) -> tuple[list[Finding], list[Finding]]:
    kind = message.DESCRIPTOR.name
    refused, idle = [], []
    for field, value in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        reason = WITHOUT_EFFECT.get(kind, {}).get(field.name)
        if reason is not None:
            if not _is_default(field, value):
                idle.append(Finding(here, reason))
        elif kind in IMPLEMENTED and field.name in IMPLEMENTED[kind].split():
            for child_path, child in _children(field, value, here):
                more_refused, more_idle = _classify(child, child_path)
                refused += more_refused
                idle += more_idle
        elif not _is_default(field, value):
            refused.append(Finding(here, REFUSED.get(kind, {}).get(field.name, NOT_IMPLEMENTED)))
    return refused, idle


def _children(field, value, path: str):
    # Augmentation options are checked by the input pipeline, which knows which it has.
    if not _is_message(field) or _is_map(field) or field.name == "data_augmentation_options":
        return []
    if _is_repeated(field):
        return [(f"{path}[{index}]", child) for index, child in enumerate(value)]
    return [(path, value)]


def _is_default(field, value) -> bool:
    return not _is_message(field) and not _is_repeated(field) and value == field.default_value


def _is_message(field) -> bool:
    return field.message_type is not None


def _is_map(field) -> bool:
    return _is_message(field) and field.message_type.GetOptions().map_entry


def _is_repeated(field) -> bool:
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
