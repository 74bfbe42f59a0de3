"""Options of every CenterNet, except those of its feature extractor. No TensorFlow."""

from odtk.detectors.parts import options
from odtk.pipeline.support import Fields

_BOXES_ONLY = "and this model predicts boxes: odtk has CenterNet's box task only"
_SCORES = "CenterNet's scores are always the sigmoid of its heat maps, in TFOD and here"
_NO_SUCH_LOSS = "in TFOD's CenterNet only l1_localization_loss works"
_LOSSES = (
    "WeightedSigmoidClassificationLoss",
    "SigmoidFocalClassificationLoss",
    "BootstrappedSigmoidClassificationLoss",
)

CENTER_NET: dict[str, Fields] = {
    "DetectionModel": Fields("center_net"),
    "CenterNet": Fields(
        """num_classes feature_extractor image_resizer use_depthwise object_detection_task object_center_params
        post_processing""",
        without_effect={
            "compute_heatmap_sparse": "it only chooses how TFOD computes the heat maps of the groundtruth",
            "keypoint_label_map_path": "only keypoint_estimation_task reads it",
        },
        refused={
            "keypoint_estimation_task": f"it is about keypoints, {_BOXES_ONLY}",
            "mask_estimation_task": f"it is about masks, {_BOXES_ONLY}",
            "densepose_estimation_task": f"it is about the surfaces of bodies (DensePose), {_BOXES_ONLY}",
            "track_estimation_task": f"it is about tracking, {_BOXES_ONLY}",
            "temporal_offset_task": f"it is about the motion of objects in a video, {_BOXES_ONLY}",
            "deepmac_mask_estimation": f"it is about masks (DeepMAC), {_BOXES_ONLY}",
            "output_prediction_dict": "it adds the network's maps to the detections, which no exported model needs",
        },
    ),
    "ObjectDetection": Fields(
        "task_loss_weight offset_loss_weight scale_loss_weight localization_loss scale_head_params offset_head_params"
    ),
    "ObjectCenterParams": Fields(
        """object_center_loss_weight classification_loss heatmap_bias_init min_box_overlap_iou max_box_predictions
        use_labeled_classes center_head_params peak_max_pool_kernel_size""",
        refused={
            "keypoint_weights_for_center": f"it is about keypoints, {_BOXES_ONLY}",
        },
    ),
    "PredictionHeadParams": Fields("num_filters kernel_sizes"),
    **options.IMAGE_RESIZER,
    **{kind: options.LOSS[kind] for kind in _LOSSES},
    "LocalizationLoss": Fields(
        "l1_localization_loss",
        refused=dict.fromkeys(("weighted_l2", "weighted_smooth_l1", "weighted_iou", "weighted_giou"), _NO_SUCH_LOSS),
    ),
    "L1LocalizationLoss": Fields(),
    "ClassificationLoss": Fields(
        "penalty_reduced_logistic_focal_loss weighted_sigmoid weighted_sigmoid_focal bootstrapped_sigmoid",
        refused={
            "weighted_softmax": "the classes of a heat map do not exclude each other, and scores are their sigmoids",
            "weighted_logits_softmax": "its targets are another model's logits, and records hold classes",
            "weighted_dice_classification_loss": f"it is for masks, {_BOXES_ONLY}",
        },
    ),
    "PenaltyReducedLogisticFocalLoss": Fields("alpha beta"),
    "PostProcessing": Fields(
        "batch_non_max_suppression",
        without_effect=dict.fromkeys(("score_converter", "logit_scale", "calibration_config"), _SCORES),
    ),
    "BatchNonMaxSuppression": Fields(
        options.POST_PROCESSING["BatchNonMaxSuppression"].implemented,
        without_effect=options.POST_PROCESSING["BatchNonMaxSuppression"].without_effect,
        refused={"use_combined_nms": "it is another suppression, for which odtk has no numbers to compare with"},
    ),
}

# Fields of CenterNetFeatureExtractor, and why those that a feature extractor does not have change nothing.
PREPROCESSING = "type channel_means channel_stds bgr_ordering"
OF_OTHER_EXTRACTORS = {
    "use_depthwise": "no feature extractor of TFOD's reads it; center_net.use_depthwise is for the heads",
    "depth_multiplier": "TFOD ignores it for this feature extractor: only MobileNets have a width",
    "use_separable_conv": "TFOD ignores it for this feature extractor; it is for mobilenet_v2_fpn",
    "upsampling_interpolation": "TFOD ignores it for this feature extractor; it is for mobilenet_v2_fpn",
}


def extractor_options(own: str = "") -> dict[str, Fields]:
    """The row of CenterNetFeatureExtractor for one that reads the fields `own` besides those of preprocessing."""
    ignored = {name: why for name, why in OF_OTHER_EXTRACTORS.items() if name not in own.split()}
    return {"CenterNetFeatureExtractor": Fields(f"{PREPROCESSING} {own}", without_effect=ignored)}
