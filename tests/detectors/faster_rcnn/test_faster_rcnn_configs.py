"""What configs of Faster R-CNN are built, and which are refused. No network is built."""

import re

import pytest
from family_configs import (
    FAMILY_GOLDENS,
    ZOO,
    assert_refused,
    assert_refused_and_fixed,
    changed,
    checked,
    found,
    to_fix,
)
from google.protobuf import text_format

from odtk import pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.tools.check_config import check_config

PLAIN, PYRAMID = (FAMILY_GOLDENS / f"{name}-base.config" for name in ("faster_rcnn", "faster_rcnn_fpn"))
INCEPTION = "faster_rcnn_inception_resnet_v2_keras"
MODEL = "model.faster_rcnn"
EXTRACTOR = f"{MODEL}.feature_extractor"
HEADS = f"{MODEL}.second_stage_box_predictor.mask_rcnn_box_predictor"
GRID = f"{MODEL}.first_stage_anchor_generator.grid_anchor_generator"
SCALED = f"{MODEL}.first_stage_anchor_generator.multiscale_anchor_generator"
NMS = f"{MODEL}.second_stage_post_processing.batch_non_max_suppression"


# Of which config, what is set, what is refused for it, a part of what is said, and whether edits fix it.
REFUSED = {
    "no stage": (PLAIN, {f"{MODEL}.number_of_stages": 0}, f"{MODEL}.number_of_stages", "is 0; there are one"),
    "stride": (
        PLAIN, {f"{EXTRACTOR}.first_stage_features_stride": 8}, f"{EXTRACTOR}.first_stage_features_stride", "is 8; the",
    ),
    "more sampled than proposed": (
        PLAIN, {f"{MODEL}.second_stage_batch_size": 17}, f"{MODEL}.second_stage_batch_size",
        "is 17, above first_stage_max_proposals 16",
    ),
    "pooled away": (
        PLAIN, {f"{MODEL}.maxpool_kernel_size": 15}, f"{MODEL}.maxpool_kernel_size", "above initial_crop_size 14",
    ),
    "no pooling": (PLAIN, {f"{MODEL}.maxpool_kernel_size": 0}, f"{MODEL}.maxpool_kernel_size", "at least 1"),
    "exact sampler without clipping": (
        PLAIN,
        {f"{MODEL}.use_static_shapes": "true", f"{MODEL}.use_static_balanced_label_sampler": "true"},
        f"{MODEL}.clip_anchors_to_image", "needs to know the number of anchors",
    ),
    "fraction": (
        PLAIN, {f"{MODEL}.second_stage_balance_fraction": 1.5}, f"{MODEL}.second_stage_balance_fraction", "from 0 to 1",
    ),
    "code": (PLAIN, {f"{HEADS}.box_code_size": 5}, f"{HEADS}.box_code_size", "is 5; a box is coded in 4 numbers"),
    "no anchor inside": (
        PLAIN, {f"{GRID}.scales": "[1.0, 2.0]"}, f"{MODEL}.clip_anchors_to_image", "the smallest is",
    ),
    "no scales": (PLAIN, {f"{GRID}.scales": ""}, f"{GRID}.scales", "needs at least one number"),
    "combined in one stage": (
        PLAIN, {f"{MODEL}.number_of_stages": 1, f"{MODEL}.use_combined_nms_in_first_stage": "true"},
        f"{MODEL}.use_combined_nms_in_first_stage", "does not go with number_of_stages: 1",
    ),
    "no size": (PLAIN, {f"{MODEL}.image_resizer": ""}, f"{MODEL}.image_resizer", "is empty, so images have no size"),
    "no box is kept": (PLAIN, {f"{NMS}.max_total_detections": 0}, f"{NMS}.max_total_detections", "no box would be"),
    "scale of the loss": (
        PLAIN, {f"{MODEL}.second_stage_classification_loss": "{ weighted_softmax { logit_scale: 0 } }"},
        f"{MODEL}.second_stage_classification_loss.weighted_softmax.logit_scale", "logits are divided by it",
    ),
    "a stride that TFOD does not take": (
        PYRAMID, {f"{EXTRACTOR}.first_stage_features_stride": 32}, f"{EXTRACTOR}.first_stage_features_stride",
        "TFOD takes 8 or 16",
    ),
    "too fine": (
        PYRAMID, {f"{EXTRACTOR}.fpn.min_level": 1, f"{SCALED}.min_level": 1}, f"{EXTRACTOR}.fpn.min_level",
        "is 1; the backbone has maps of levels 2 to 5",
    ),
    "upside down": (PYRAMID, {f"{EXTRACTOR}.fpn.max_level": 1}, f"{EXTRACTOR}.fpn.max_level", "below the pyramid's"),
    "fewer anchors": (PYRAMID, {f"{SCALED}.max_level": 5}, f"{SCALED}.max_level", "for the 5 feature maps"),
    "normalized": (
        PYRAMID, {f"{SCALED}.normalize_coordinates": "true"}, f"{SCALED}.normalize_coordinates", "are in pixels",
    ),
    "a stride that Inception ResNet does not have": (
        PLAIN, {f"{EXTRACTOR}.type": INCEPTION, f"{EXTRACTOR}.first_stage_features_stride": 32},
        f"{EXTRACTOR}.first_stage_features_stride", "is 32; the backbone's map has stride 16 or 8",
    ),
    "a stride that it has in one stage": (
        PLAIN, {f"{EXTRACTOR}.type": INCEPTION, f"{EXTRACTOR}.first_stage_features_stride": 8},
        f"{EXTRACTOR}.first_stage_features_stride", "is 8, which goes with number_of_stages: 1 only",
    ),
    "no hyperparameters": (
        PYRAMID, {f"{EXTRACTOR}.conv_hyperparams": ""}, f"{EXTRACTOR}.conv_hyperparams", "is not set; the pyramid",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_and_its_edits_fix_it(case):
    base, fields, path, words = REFUSED[case]
    assert_refused_and_fixed(changed(base, fields), path, words)


def test_three_stages_are_another_detector_which_no_edit_makes():
    config = changed(PLAIN, {f"{MODEL}.number_of_stages": 3})
    assert_refused(config, f"{MODEL}.number_of_stages", "is 3: that is Mask R-CNN")
    assert not [finding.edits for finding in to_fix(config) if finding.edits]


# Of which config, what is merged into its model, and what is refused for it.
NOT_IMPLEMENTED = {
    "masks": (PLAIN, "second_stage_box_predictor { mask_rcnn_box_predictor { predict_instance_masks: true } }", HEADS),
    "other images": (PLAIN, "context_config {}", f"{MODEL}.context_config"),
    "hyperparameters of a pyramid": (PLAIN, "feature_extractor { conv_hyperparams {} }", f"{EXTRACTOR}.conv_hyper"),
    "hyperparameters of Inception ResNet": (
        PLAIN, f"feature_extractor {{ type: '{INCEPTION}' conv_hyperparams {{}} }}", f"{EXTRACTOR}.conv_hyper",
    ),
    "a pyramid": (PLAIN, "feature_extractor { fpn {} }", f"{EXTRACTOR}.fpn"),
    "R-FCN": (PLAIN, "second_stage_box_predictor { rfcn_box_predictor {} }", "rfcn_box_predictor"),
    "SSD's heads": (
        PLAIN, "second_stage_box_predictor { convolutional_box_predictor {} }", "convolutional_box_predictor",
    ),
    "SSD's anchors": (PLAIN, "first_stage_anchor_generator { ssd_anchor_generator {} }", "ssd_anchor_generator"),
    "a loss that TFOD exchanges": (
        PLAIN, "second_stage_classification_loss { bootstrapped_sigmoid { alpha: 0.5 } }", "bootstrapped_sigmoid",
    ),
    "combined suppression": (
        PLAIN, "second_stage_post_processing { batch_non_max_suppression { use_combined_nms: true } }", f"{NMS}.use_c",
    ),
    "batch norms in place": (PYRAMID, "inplace_batchnorm_update: true", f"{MODEL}.inplace_batchnorm_update"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_IMPLEMENTED)
def test_what_is_not_implemented_is_refused_by_name(case):
    base, text, path = NOT_IMPLEMENTED[case]
    config = pipeline.read(base)
    text_format.Merge(text, config.model.faster_rcnn)
    with pytest.raises(ConfigError, match=re.escape(path)):
        families.of(config).require_buildable(config.model)


def test_mask_rcnn_is_refused_by_name_whatever_its_backbone():
    changes = {f"{EXTRACTOR}.type": "faster_rcnn_nas_keras", f"{MODEL}.number_of_stages": "3"}
    config = changed(PLAIN, changes)
    words = "faster_rcnn_nas_keras'.* as it is a Mask R-CNN, and odtk's models predict boxes"
    with pytest.raises(ConfigError, match=words):
        families.of(config)
    (error,) = checked(config)["error"].values()
    assert re.search(words, error)


@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
def test_the_zoos_mask_rcnn_is_refused_by_name():
    (path,) = ZOO.glob("mask_rcnn_*.config")
    errors = [each for each in check_config(pipeline.read(path), path, path.read_text()) if each.severity == "error"]
    assert any("Mask R-CNN" in error.text for error in errors)


def test_what_has_no_effect_is_said():
    """Of the second stage's hyperparameters only the batch norm, of the first stage's not the activation."""
    rpn = f"{MODEL}.first_stage_box_predictor_conv_hyperparams"
    config = changed(PYRAMID, {f"{rpn}.activation": "SWISH", f"{NMS}.change_coordinate_frame": "false"})
    notes = checked(config)["note"]
    assert "has initializer and regularizer, without effect" in notes[f"{HEADS}.fc_hyperparams"]
    assert "ReLU6" in notes[f"{rpn}.activation"]
    assert "relative to the unpadded image" in notes[f"{NMS}.change_coordinate_frame"]


def test_mining_in_one_image_and_proposals_of_padded_images_are_warned_of():
    resizer = "{ keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 pad_to_max_dimension: true } }"
    fields = {f"{MODEL}.image_resizer": resizer, f"{MODEL}.number_of_stages": 1, f"{MODEL}.hard_example_miner": "{}"}
    warnings = {each.path: each.text for each in found(changed(PLAIN, fields)) if each.severity == "warning"}
    assert "the first image of each batch alone" in warnings[f"{MODEL}.hard_example_miner"]
    assert "relative to the image with its padding" in warnings[f"{MODEL}.number_of_stages"]
    assert len(warnings) == 2


def test_one_stage_needs_no_crops():
    fields = {f"{MODEL}.{name}": "" for name in ("initial_crop_size", "maxpool_kernel_size", "maxpool_stride")}
    assert len(found(changed(PLAIN, fields))) == 3 + len(found(changed(PLAIN, {})))
    assert {each.severity for each in found(changed(PLAIN, fields | {f"{MODEL}.number_of_stages": 1}))} == {"note"}


@pytest.mark.parametrize(("base", "sides"), [(PLAIN, (10, 10)), (PYRAMID, (32, 40))])
def test_the_grid_of_anchors(base, sides):
    """Of images of 128x160, which a pyramid pads no further, and of 150x150, padded by a pyramid to 160x160."""
    config = pipeline.read(base)
    family = families.of(config)
    finest = family.anchor_grid(config.model, (160, 160) if base == PLAIN else (128, 160)).levels[0]
    assert finest.shape[:2] == sides
    assert family.anchor_grid(config.model, (150, 150)).levels[0].shape[:2] == ((10, 10) if base == PLAIN else (40, 40))
    heights = sorted({round(height) for height, _ in family.anchor_sizes(config.model)})
    drawn = finest.reshape(-1, 4)
    side = 160 if base == PLAIN else 128
    assert {round(height) for height in (drawn[:, 2] - drawn[:, 0]) * side} <= set(heights)


def test_training_leaves_out_anchors_that_reach_over_the_image():
    config = pipeline.read(PLAIN)
    family = families.of(config)
    matching, anchors = family.anchor_matching(config.model), family.anchor_grid(config.model, (160, 160)).anchors
    taken = matching.takes(anchors)
    assert not taken[0]  # it begins outside
    assert taken.sum() == 335
    assert len(taken) == 900
    clipped = changed(PLAIN, {f"{MODEL}.clip_anchors_to_image": "true"})
    grid = family.anchor_grid(clipped.model, (160, 160)).anchors
    assert matching.takes(grid).all()


def test_the_map_of_inception_resnet_has_stride_16_or_in_one_stage_8():
    fields = {f"{EXTRACTOR}.type": INCEPTION}
    for more, stride in (
        ({}, 16),
        ({f"{EXTRACTOR}.first_stage_features_stride": 8, f"{GRID}.height_stride": 8, f"{GRID}.width_stride": 8,
          f"{MODEL}.number_of_stages": 1}, 8),
    ):  # fmt: skip
        config = changed(PLAIN, fields | more)
        family = families.of(config)
        assert {each.severity for each in found(config)} <= {"note"}
        (level,) = family.anchor_grid(config.model, (150, 170)).levels
        assert level.shape[:2] == (-(-150 // stride), -(-170 // stride))


@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
@pytest.mark.parametrize("side", [640, 1024])
def test_the_zoos_inception_resnet_can_be_built_and_lacks_paths_only(side):
    """Its two configs are in the zoo's archives alone: they are that of the Mask R-CNN without masks."""
    (path,) = ZOO.glob("mask_rcnn_*.config")
    fields = {"number_of_stages": 2, "second_stage_box_predictor.mask_rcnn_box_predictor.predict_instance_masks": ""}
    fields |= {f"image_resizer.fixed_shape_resizer.{name}": side for name in ("height", "width")}
    edits = [(f"{MODEL}.{name}", str(value)) for name, value in fields.items()]
    edits += [(f"{reader}.{name}", "") for reader in ("train_input_reader", "eval_input_reader[0]")
              for name in ("load_instance_masks", "mask_type")]  # fmt: skip
    edits += [("eval_config.eval_instance_masks", ""), ("eval_config.metrics_set", '["coco_detection_metrics"]')]
    text = pipeline.set_fields(path.read_text(), edits, path)
    config = pipeline.parse(text, path)
    families.of(config).require_buildable(config.model)
    findings = check_config(config, path, text)
    assert [each for each in findings if each.severity != "note" and "placeholder" not in each.text] == []


@pytest.mark.parametrize("path", sorted(ZOO.glob("faster_rcnn_resnet*.config")), ids=lambda path: path.stem)
def test_the_zoos_configs_can_be_built_and_lack_paths_only(path):
    config = pipeline.read(path)
    families.of(config).require_buildable(config.model)
    findings = check_config(config, path, path.read_text())
    assert [each for each in findings if each.severity != "note" and "placeholder" not in each.text] == []
