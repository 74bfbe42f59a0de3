"""What configs of CenterNet are built, and which are refused. No network is built."""

import pytest
from family_configs import ZOO, assert_refused_and_fixed, changed, checked, edited

from odtk import pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.tools.check_config import check_config

MODEL = "model.center_net"
EXTRACTOR, CENTER, TASK = (
    f"{MODEL}.feature_extractor",
    f"{MODEL}.object_center_params",
    f"{MODEL}.object_detection_task",
)
RESIZER, NMS = f"{MODEL}.image_resizer", f"{MODEL}.post_processing.batch_non_max_suppression"
SIDES = f"{RESIZER}.fixed_shape_resizer"
CONFIG = """
model {
  center_net {
    num_classes: 2
    feature_extractor { type: "resnet_v1_50_fpn" }
    image_resizer { fixed_shape_resizer { height: 128 width: 96 } }
    object_detection_task { localization_loss { l1_localization_loss {} } }
    object_center_params { classification_loss { penalty_reduced_logistic_focal_loss {} } }
  }
}
train_config { batch_size: 2 }
"""


# What is set, what is refused for it, and a part of what is said.
REFUSED = {
    "side": ({f"{SIDES}.width": 100}, f"{SIDES}.width", "is 100, which is not a multiple of 32"),
    "side of an hourglass": (
        {f"{EXTRACTOR}.type": "hourglass_52", f"{SIDES}.height": 224, f"{SIDES}.width": 256},
        f"{SIDES}.height", "is 224, which is not a multiple of 128",
    ),
    "any size": (
        {f"{RESIZER}.keep_aspect_ratio_resizer": "{ min_dimension: 100 max_dimension: 300 }"},
        f"{RESIZER}.keep_aspect_ratio_resizer", "gives images of any size, and this model takes multiples of 32 only",
    ),
    "size of the picture": (
        {f"{RESIZER}.identity_resizer": "{}"}, f"{RESIZER}.identity_resizer", "gives images of any size",
    ),
    "padded to another multiple": (
        {f"{RESIZER}.pad_to_multiple_resizer": "{ multiple: 48 }"},
        f"{RESIZER}.pad_to_multiple_resizer", "gives images of any size",
    ),
    "no size": (
        {RESIZER: ""}, RESIZER, "is empty, so images have no size",
    ),
    "no box task": ({TASK: ""}, TASK, "is missing: without it there are centers and no boxes"),
    "no box loss": ({TASK: "{}"}, f"{TASK}.localization_loss", "is empty"),
    "no center loss": ({CENTER: "{}"}, f"{CENTER}.classification_loss", "is empty"),
    "overlap": ({f"{CENTER}.min_box_overlap_iou": 1.5}, f"{CENTER}.min_box_overlap_iou", "is 1.5; overlaps lie"),
    "no box": ({f"{CENTER}.max_box_predictions": 0}, f"{CENTER}.max_box_predictions", "is 0: no box"),
    "pool": (
        {f"{CENTER}.peak_max_pool_kernel_size": -1}, f"{CENTER}.peak_max_pool_kernel_size", "is -1, below 0",
    ),
    "two means": ({f"{EXTRACTOR}.channel_means": "[1, 2]"}, f"{EXTRACTOR}.channel_means", "has 2 values"),
    "deviation 0": ({f"{EXTRACTOR}.channel_stds": "[1, 0, 1]"}, f"{EXTRACTOR}.channel_stds", "has a 0"),
    "uneven head": (
        {f"{TASK}.scale_head_params": "{ num_filters: 8 num_filters: 8 kernel_sizes: 3 }"},
        f"{TASK}.scale_head_params", "has 2 num_filters and 1 kernel_sizes",
    ),
    "empty head": (
        {f"{CENTER}.center_head_params": "{ num_filters: 0 kernel_sizes: 3 }"},
        f"{CENTER}.center_head_params", "has a convolution without a channel",
    ),
    "interpolation": (
        {f"{EXTRACTOR}.type": "mobilenet_v2_fpn", f"{EXTRACTOR}.upsampling_interpolation": "cubic"},
        f"{EXTRACTOR}.upsampling_interpolation", "is 'cubic'; it is one of nearest, bilinear",
    ),
    "width": (
        {f"{EXTRACTOR}.type": "mobilenet_v2", f"{EXTRACTOR}.depth_multiplier": 0},
        f"{EXTRACTOR}.depth_multiplier", "is 0; it multiplies",
    ),
    "frame": ({NMS: "{ iou_threshold: 0.5 }"}, f"{NMS}.change_coordinate_frame", "is true (its default)"),
    "score": (
        {NMS: "{ change_coordinate_frame: false score_threshold: -1 }"}, f"{NMS}.score_threshold", "is -1: a peak's",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_and_its_edits_fix_it(case):
    fields, path, words = REFUSED[case]
    assert_refused_and_fixed(changed(CONFIG, fields), path, words)


# Options that TFOD has and odtk's CenterNet has not, each with a word of the reason.
NOT_BOXES = {
    "keypoint_estimation_task": ("{ task_name: 'pose' }", "keypoints"),
    "mask_estimation_task": ("{ mask_height: 8 }", "masks"),
    "densepose_estimation_task": ("{ class_id: 1 }", "DensePose"),
    "track_estimation_task": ("{ num_track_ids: 3 }", "tracking"),
    "temporal_offset_task": ("{ task_loss_weight: 2 }", "motion"),
    "deepmac_mask_estimation": ("{ dim: 8 }", "DeepMAC"),
    "output_prediction_dict": ("true", "maps"),
    "object_center_params.keypoint_weights_for_center": ("[1, 2]", "keypoints"),
    "object_center_params.classification_loss.weighted_softmax": ("{}", "sigmoids"),
    "object_detection_task.localization_loss.weighted_smooth_l1": ("{}", "only l1_localization_loss works"),
    "object_detection_task.localization_loss.weighted_l2": ("{}", "only l1_localization_loss works"),
}


@pytest.mark.parametrize("field", NOT_BOXES)
def test_what_is_not_about_boxes_is_refused_by_name(field):
    value, word = NOT_BOXES[field]
    config = changed(CONFIG, {f"{MODEL}.{field}": value})
    assert word in checked(config)["error"].pop(f"{MODEL}.{field}")
    with pytest.raises(ConfigError, match=field):
        families.of(config).require_buildable(config.model)


def test_what_a_feature_extractor_ignores_is_listed():
    fields = {"depth_multiplier": "0.5", "use_separable_conv": "true", "upsampling_interpolation": "bilinear"}
    of_types = {
        "mobilenet_v2_fpn": set(),
        "mobilenet_v2": set(fields) - {"depth_multiplier"},
        "resnet_v2_50": set(fields),
    }
    for name, ignored in of_types.items():
        edits = {"type": name, **fields, "use_depthwise": "true"}
        config = changed(CONFIG, {f"{EXTRACTOR}.{field}": value for field, value in edits.items()})
        notes = {path for path, text in checked(config)["note"].items() if text.startswith("has no effect")}
        assert notes == {f"{EXTRACTOR}.{field}" for field in (*ignored, "use_depthwise")}
        families.of(config).require_buildable(config.model)


def test_a_name_that_makes_nothing_separable_is_a_warning():
    named = {f"{EXTRACTOR}.type": "mobilenet_v2_fpn_sep_conv"}
    config = changed(CONFIG, named)
    assert "TFOD makes plain convolutions then" in checked(config)["warning"][f"{EXTRACTOR}.type"]
    assert not checked(edited(config))["warning"]
    assert not checked(changed(CONFIG, named | {f"{EXTRACTOR}.use_separable_conv": "true"}))["warning"]


def test_every_cell_a_peak_is_a_warning():
    config = changed(CONFIG, {f"{CENTER}.peak_max_pool_kernel_size": 1})
    assert "objects are found twice" in checked(config)["warning"][f"{CENTER}.peak_max_pool_kernel_size"]


def test_scores_and_calibration_have_no_effect_on_heat_maps():
    fields = {NMS: "{ change_coordinate_frame: false }", f"{MODEL}.post_processing.score_converter": "SOFTMAX"}
    config = changed(CONFIG, fields)
    assert f"{MODEL}.post_processing.score_converter" in checked(config)["note"]


@pytest.mark.parametrize(
    ("name", "multiple"),
    [("resnet_v1_18_fpn", 32), ("mobilenet_v2", 32), ("hourglass_10", 8), ("hourglass_20", 16), ("hourglass_104", 128)],
)
def test_sides(name, multiple):
    config = changed(CONFIG, {f"{EXTRACTOR}.type": name})
    size = families.of(config).input_size(config.model)
    assert [side for side in range(1, 300) if size.takes(side)] == list(range(multiple, 300, multiple))


def test_there_are_no_anchors():
    config = changed(CONFIG, {})
    family = families.of(config)
    assert family.anchor_matching(config.model) is None
    assert family.anchor_grid(config.model, (128, 96)) is None
    assert family.anchor_sizes(config.model) == []


def test_what_decides_about_variables_is_a_field_of_the_schema():
    for family in families.families():
        if family.kind == "center_net":
            for field in family.variable_fields:
                config = changed(CONFIG, {f"{EXTRACTOR}.type": family.types[0]})
                pipeline.get_field(config, f"{MODEL}.{field}")


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({"type": "mobilenet_v2"}, True),
        ({"type": "mobilenet_v2_fpn_sep_conv"}, True),
        ({"type": "mobilenet_v2_fpn", "depth_multiplier": 0.5}, False),
        ({"type": "resnet_v2_50"}, False),
    ],
)
def test_where_tfod_starts_from_weights_of_imagenet_the_check_says_so(fields, is_told):
    config = changed(CONFIG, {f"{EXTRACTOR}.{name}": value for name, value in fields.items()})
    (start,) = [each.text for each in check_config(config) if each.path == "train_config.fine_tune_checkpoint"]
    assert ("TFOD starts the backbone of this one from Keras's weights of ImageNet" in start) == is_told


def test_an_hourglass_has_no_classifier_to_begin_from():
    family = families.of(changed(CONFIG, {f"{EXTRACTOR}.type": "hourglass_10"}))
    assert family.fine_tune_types == ("full", "detection")


ZOOS = sorted(ZOO.glob("centernet_*.config"))


@pytest.mark.parametrize("path", [path for path in ZOOS if "_kpts_" not in path.stem], ids=lambda path: path.stem)
def test_the_zoos_configs_can_be_built_and_lack_paths_only(path):
    config = pipeline.read(path)
    families.of(config).require_buildable(config.model)
    findings = check_config(config, path, path.read_text())
    assert all("placeholder" in finding.text for finding in findings if finding.severity != "note")


@pytest.mark.parametrize("path", [path for path in ZOOS if "_kpts_" in path.stem], ids=lambda path: path.stem)
def test_the_zoos_configs_with_keypoints_are_refused_for_these_alone(path):
    config = pipeline.read(path)
    errors = [each for each in check_config(config, path, path.read_text()) if each.severity == "error"]
    assert f"{MODEL}.keypoint_estimation_task" in {error.path for error in errors}
    assert all("it is about keypoints, and this model predicts boxes" in error.text for error in errors)
    with pytest.raises(ConfigError, match="keypoint_estimation_task") as error:
        families.of(config).require_buildable(config.model)
    assert "it is about keypoints" in str(error.value)
