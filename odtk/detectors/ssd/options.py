"""Options of every SSD, except those of its feature extractor. No TensorFlow."""

from odtk.detectors.parts import options
from odtk.pipeline.support import Fields

SSD: dict[str, Fields] = {
    "DetectionModel": Fields("ssd"),
    "Ssd": Fields(
        """num_classes image_resizer feature_extractor box_coder matcher similarity_calculator
        encode_background_as_zeros negative_class_weight box_predictor anchor_generator post_processing
        normalize_loss_by_num_matches normalize_loc_loss_by_codesize loss freeze_batchnorm
        add_background_class explicit_background_class use_confidences_as_targets implicit_example_weight""",
        without_effect={
            "inplace_batchnorm_update": "TFOD 2 ignores it: Keras updates batch norm statistics in place anyway",
            "return_raw_detections_during_predict": "neither losses nor detections use what TFOD then adds to them",
        },
        refused={
            "mask_head_config": "it is about masks, and this model predicts boxes",
        },
    ),
    **options.HYPERPARAMS,
    **options.IMAGE_RESIZER,
    **options.BOX_CODER,
    **options.MATCHING,
    **options.SHARED_HEADS,
    **options.MAP_HEADS,
    "BoxPredictor": Fields("weight_shared_convolutional_box_predictor convolutional_box_predictor"),
    **options.MULTISCALE_ANCHORS,
    **options.SSD_ANCHORS,
    **options.FLEXIBLE_ANCHORS,
    "AnchorGenerator": Fields("multiscale_anchor_generator ssd_anchor_generator flexible_grid_anchor_generator"),
    **options.POST_PROCESSING,
    **options.LOSS,
}

# Fields of SsdFeatureExtractor, for `refused` of a family that has none of them.
OF_OTHER_EXTRACTORS = {
    "bifpn": "it belongs to EfficientDet",
    "spaghettinet_arch_name": "it belongs to SpaghettiNet",
    "replace_preprocessor_with_placeholder": "it belongs to TFOD's TensorFlow 1 exporter",
}
