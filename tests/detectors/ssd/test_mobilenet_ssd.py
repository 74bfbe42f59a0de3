"""What configs of SSD-MobileNets without a pyramid are built, and which are refused. No network is built."""

import math

import numpy as np
import pytest
from family_configs import FAMILY_GOLDENS, ZOO, assert_refused_and_fixed, changed, checked, edited, found, to_fix

from odtk import pipeline
from odtk.detectors import families
from odtk.tools.check_config import check_config

BASE = FAMILY_GOLDENS / "mobilenet_v2-base.config"
PYRAMID = "ssd_mobilenet_v2_fpnlite_320x320_pets"
EXTRACTOR = "model.ssd.feature_extractor"
ANCHORS = "model.ssd.anchor_generator.ssd_anchor_generator"
MULTISCALE = "model.ssd.anchor_generator.multiscale_anchor_generator"
HEADS = "model.ssd.box_predictor.convolutional_box_predictor"
TOWERS = "model.ssd.box_predictor.weight_shared_convolutional_box_predictor"
SIDES = "model.ssd.image_resizer.fixed_shape_resizer"
FLEXIBLE = "model.ssd.anchor_generator.flexible_grid_anchor_generator"
GRID = "anchor_grid { base_sizes: 9 aspect_ratios: 1 height_stride: 8 width_stride: 8 %s } "
GRIDS = GRID % "" * 5
CONFIDENCES, LOSS = "model.ssd.use_confidences_as_targets", "model.ssd.loss.classification_loss"
SHARED = {TOWERS: "{ depth: 32 conv_hyperparams { } }"}


# What is set, what is found, and a part of what is said.
REFUSED = {
    "no map": ({f"{EXTRACTOR}.num_layers": 0}, f"{EXTRACTOR}.num_layers", "is 0; boxes are predicted from 1 to 6"),
    "no width": ({f"{EXTRACTOR}.depth_multiplier": 0}, f"{EXTRACTOR}.depth_multiplier", "is 0; it multiplies"),
    "too wide": ({f"{EXTRACTOR}.depth_multiplier": math.inf}, f"{EXTRACTOR}.depth_multiplier", "is inf; it multiplies"),
    "no channel in the stem": (
        {
            f"{EXTRACTOR}.type": "ssd_mobilenet_v1_keras",
            f"{EXTRACTOR}.min_depth": 0,
            f"{EXTRACTOR}.depth_multiplier": 0.15,
        },
        f"{EXTRACTOR}.depth_multiplier",
        "is 0.15: it leaves the first layer no channel",
    ),
    "no channel after the backbone": (
        {f"{EXTRACTOR}.min_depth": 0, f"{EXTRACTOR}.depth_multiplier": 0.01},
        f"{EXTRACTOR}.depth_multiplier",
        "is 0.01: it leaves the layers after the backbone no channel",
    ),
    "small": ({f"{SIDES}.height": 32}, f"{SIDES}.height", "is 32; this model takes no side below 33"),
    "fewer anchors": ({f"{ANCHORS}.num_layers": 5}, f"{ANCHORS}.num_layers", "is 5: there are 5 sets of anchors"),
    "fewer maps": ({f"{EXTRACTOR}.num_layers": 4}, f"{ANCHORS}.num_layers", "for the 4 feature maps"),
    "fewer scales": (
        {f"{ANCHORS}.scales": "[0.1, 0.2, 0.4]"},
        f"{ANCHORS}.scales",
        "has 3 values: there are 3 sets of anchors",
    ),
    "one map without a scale": (
        {f"{EXTRACTOR}.num_layers": 1, f"{ANCHORS}.num_layers": 1},
        f"{ANCHORS}.num_layers",
        "where TFOD cannot lay scales",
    ),
    "no scale": ({f"{ANCHORS}.min_scale": 0}, f"{ANCHORS}.min_scale", "is 0, not above 0"),
    "negative scales": (
        {f"{ANCHORS}.scales": "[0.1, 0.2, 0.3, 0.4, 0.5, -0.6]"},
        f"{ANCHORS}.scales",
        "needs numbers above 0",
    ),
    "no size": ({f"{ANCHORS}.base_anchor_width": 0}, f"{ANCHORS}.base_anchor_width", "is 0, not above 0"),
    "no ratio": ({f"{ANCHORS}.aspect_ratios": "[1.0, 0.0]"}, f"{ANCHORS}.aspect_ratios", "needs numbers above 0"),
    "no anchors": (
        {f"{ANCHORS}.aspect_ratios": "", f"{ANCHORS}.interpolated_scale_aspect_ratio": 0},
        f"{ANCHORS}.aspect_ratios",
        "there are no anchors",
    ),
    "a negative ratio": (
        {f"{ANCHORS}.interpolated_scale_aspect_ratio": -1},
        f"{ANCHORS}.interpolated_scale_aspect_ratio",
        "is -1; it is a ratio",
    ),
    "strides of some maps": (
        {f"{ANCHORS}.height_stride": "[16, 32]", f"{ANCHORS}.width_stride": "[16, 32]"},
        f"{ANCHORS}.height_stride",
        "has 2 values and width_stride 2: there has to be one of each for the 6 feature maps",
    ),
    "offsets in one direction": (
        {f"{ANCHORS}.height_offset": "[8, 16, 32, 64, 128, 256]"},
        f"{ANCHORS}.height_offset",
        "has 6 values and width_offset 0",
    ),
    "no stride": (
        {f"{ANCHORS}.height_stride": "[0, 1, 1, 1, 1, 1]", f"{ANCHORS}.width_stride": "[1, 1, 1, 1, 1, 1]"},
        f"{ANCHORS}.height_stride",
        "need pixels, at least 1",
    ),
    "other levels": (
        {MULTISCALE: "{ min_level: 3 max_level: 7 }"},
        f"{MULTISCALE}.max_level",
        "for the 6 feature maps",
    ),
    "few anchors on the finest map, shared heads": (
        SHARED,
        f"{ANCHORS}.reduce_boxes_in_lowest_layer",
        "has 3 anchors at a cell and the others 6",
    ),
    "fewer grids": (
        {FLEXIBLE: "{ anchor_grid { base_sizes: 9 aspect_ratios: 1 height_stride: 8 width_stride: 8 } }"},
        f"{FLEXIBLE}.anchor_grid",
        "has 1 entries for the 6 feature maps",
    ),
    "grids without a ratio": (
        {FLEXIBLE: "{ %s }" % ("anchor_grid { base_sizes: 9 height_stride: 8 width_stride: 8 } " * 6)},
        f"{FLEXIBLE}.anchor_grid[0]",
        "has 1 base_sizes and 0 aspect_ratios",
    ),
    "grids without a stride": (
        {FLEXIBLE: "{ %s }" % ("anchor_grid { base_sizes: 9 aspect_ratios: 1 width_stride: 8 } " * 6)},
        f"{FLEXIBLE}.anchor_grid[5].height_stride",
        "is 0; a stride is at least 1 pixel",
    ),
    "grids without a size": (
        {
            FLEXIBLE: "{ %s }"
            % ("anchor_grid { base_sizes: -9 aspect_ratios: 1 height_stride: 8 width_stride: 8 } " * 6)
        },
        f"{FLEXIBLE}.anchor_grid[1].base_sizes",
        "needs numbers above 0",
    ),
    "other numbers of anchors, shared heads": (
        SHARED | {FLEXIBLE: "{ %s }" % (GRIDS + GRID % "base_sizes: 4 aspect_ratios: 2")},
        f"{FLEXIBLE}.anchor_grid",
        "has 1, 1, 1, 1, 1, 2 anchors at a cell, by map, while all maps share the heads",
    ),
    "confidences without a background": (
        {CONFIDENCES: "true", "model.ssd.add_background_class": "false"},
        CONFIDENCES,
        "is true, which takes add_background_class",
    ),
    "Dice's loss, mined": (
        {f"{LOSS}.weighted_dice_classification_loss": "{}", "model.ssd.loss.hard_example_miner": "{}"},
        "model.ssd.loss.hard_example_miner",
        "does not go with weighted_dice_classification_loss",
    ),
    "deeper at least than at most": (
        {f"{HEADS}.min_depth": 16},
        f"{HEADS}.min_depth",
        "is 16, above max_depth 0; TFOD refuses that",
    ),
    "depthwise of one pixel": ({f"{HEADS}.use_depthwise": "true"}, f"{HEADS}.kernel_size", "is 1, with use_depthwise"),
    "no kernel": ({f"{HEADS}.kernel_size": 0}, f"{HEADS}.kernel_size", "is 0; a kernel has at least one pixel"),
    "three codes": ({f"{HEADS}.box_code_size": 3}, f"{HEADS}.box_code_size", "is 3; a box is coded in 4 numbers"),
    "everything dropped": (
        {f"{HEADS}.use_dropout": "true", f"{HEADS}.dropout_keep_probability": 0},
        f"{HEADS}.dropout_keep_probability",
        "is 0; it is a probability",
    ),
}

WARNED = {
    "more maps than there are": ({f"{EXTRACTOR}.num_layers": 7}, f"{EXTRACTOR}.num_layers", "has 6 maps at most"),
    "no depth for layers": (
        {f"{HEADS}.num_layers_before_predictor": 2},
        f"{HEADS}.num_layers_before_predictor",
        "is 2, but max_depth is 0: TFOD makes no such layers",
    ),
    "a class bias that TFOD leaves out": (
        {f"{HEADS}.use_depthwise": "true", f"{HEADS}.kernel_size": 3},
        f"{HEADS}.class_prediction_bias_init",
        "has no effect with use_depthwise",
    ),
    "strides of columns alone": (
        {f"{ANCHORS}.width_stride": "[1, 1, 1, 1, 1, 1]"},
        f"{ANCHORS}.width_stride",
        "is set without height_stride",
    ),
    "sigmoids in exports": (
        {f"{TOWERS}": "{ depth: 32 score_converter: SIGMOID conv_hyperparams { } }"}
        | {f"{ANCHORS}.reduce_boxes_in_lowest_layer": "false"},
        f"{TOWERS}.score_converter",
        "is SIGMOID: exported models make sigmoids of the logits",
    ),
    "large anchors on the finest map": (
        {f"{ANCHORS}.min_scale": 0.9, f"{ANCHORS}.max_scale": 0.3},
        f"{ANCHORS}.min_scale",
        "above max_scale 0.3",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_and_its_edits_fix_it(case):
    fields, path, words = REFUSED[case]
    assert_refused_and_fixed(changed(BASE, fields), path, words)


@pytest.mark.parametrize("case", WARNED)
def test_what_is_not_as_it_seems_is_a_warning_and_its_edits_fix_it(case):
    fields, path, words = WARNED[case]
    config = changed(BASE, fields)
    (warned,) = to_fix(config)
    assert (warned.severity, warned.path) == ("warning", path)
    assert words in warned.text
    assert to_fix(edited(config)) == []


@pytest.mark.parametrize("maps", [2, 3, 6])
def test_maps_and_their_anchors(maps):
    config = changed(BASE, {f"{EXTRACTOR}.num_layers": maps, f"{ANCHORS}.num_layers": maps, f"{SIDES}.width": 201})
    family = families.of(config)
    assert family.levels(config.model.ssd) == (4, 3 + maps)
    sides = [2**level for level in range(4, 4 + maps)]
    grid = family.anchor_grid(config.model, (160, 201))
    expected = [(-(-160 // side), -(-201 // side), 3 if side == 16 else 6) for side in sides]
    assert [level.shape[:3] for level in grid.levels] == expected
    heights = sorted({round(height) for height, _ in family.anchor_sizes(config.model)})
    in_pixels = (grid.anchors[:, 2:] - grid.anchors[:, :2]) * (160, 201)
    assert heights == sorted({round(float(height)) for height in in_pixels[:, 0]})
    doubled = family.anchor_sizes(config.model, (320, 402))
    assert doubled == [(2 * height, 2 * width) for height, width in family.anchor_sizes(config.model)]


@pytest.mark.parametrize(
    ("base", "generator", "is_told"),
    [
        ("ssd_mobilenet_v2_320x320_pets", "ssd_anchor_generator", False),
        ("ssd_mobilenet_v2_320x320_pets", "multiscale_anchor_generator", True),
        (PYRAMID, "multiscale_anchor_generator", True),
        (PYRAMID, "ssd_anchor_generator", False),
    ],
)
def test_anchors_move_to_the_edge_by_the_rule_of_one_generator_alone(base, generator, is_told):
    anchors = {"ssd_anchor_generator": "{ num_layers: 6 }", "multiscale_anchor_generator": "{ min_level: 4 }"}
    fields = {f"model.ssd.anchor_generator.{generator}": anchors[generator], f"{SIDES}.height": 320}
    config = changed(base, fields)
    notes = [finding.text for finding in found(config) if finding.severity == "note"]
    assert notes == [text for text in notes if "begin at the image's edge" in text]
    assert bool(notes) == is_told


def test_anchors_have_no_size_where_images_have_none():
    resizer = "{ keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 160 } }"
    config = changed(BASE, {"model.ssd.image_resizer": resizer})
    assert families.of(config).anchor_sizes(config.model) == []
    assert families.of(config).anchor_sizes(config.model, (96, 160)) != []


def test_grids_that_are_written_out_are_anchors_of_one_size_in_any_image():
    config = changed(BASE, {FLEXIBLE: "{ %s }" % (GRIDS + GRID % "base_sizes: 20 aspect_ratios: 4")})
    family = families.of(config)
    assert to_fix(config) == []
    assert family.anchor_sizes(config.model) == [(9, 9)] * 6 + [(10, 40)]
    grid = family.anchor_grid(config.model, (160, 200))
    assert [level.shape[2] for level in grid.levels] == [1, 1, 1, 1, 1, 2]
    np.testing.assert_allclose(grid.levels[0][1, 2, 0] * [160, 200, 160, 200], [3.5, 11.5, 12.5, 20.5], atol=1e-4)


def test_a_weight_of_confidences_without_confidences_has_no_effect():
    weight = {"model.ssd.implicit_example_weight": 0.5}
    assert "no effect" in checked(changed(BASE, weight))["note"]["model.ssd.implicit_example_weight"]
    assert "model.ssd.implicit_example_weight" not in checked(changed(BASE, weight | {CONFIDENCES: "true"}))["note"]


def test_any_side_from_33_on():
    config = changed(BASE, {})
    size = families.of(config).input_size(config.model)
    assert [side for side in range(20, 60) if size.takes(side)] == list(range(33, 60))


@pytest.mark.parametrize("base", [PYRAMID, "ssd_resnet50_v1_fpn_640x640_pets"])
def test_pyramids_take_these_anchors_and_heads_too(base):
    anchors = "{ num_layers: 5 aspect_ratios: 1.0 aspect_ratios: 2.0 reduce_boxes_in_lowest_layer: false }"
    config = changed(base, {ANCHORS: anchors, HEADS: "{ kernel_size: 3 use_dropout: false conv_hyperparams { } }"})
    families.of(config).require_buildable(config.model)
    assert to_fix(config) == []
    assert len(families.of(config).anchor_sizes(config.model)) == 5 * 3


def test_a_pyramid_and_what_others_have_is_refused_and_sigmoid_scores_are_listed():
    findings = checked(changed(BASE, {f"{EXTRACTOR}.fpn": "{}", f"{HEADS}.apply_sigmoid_to_scores": "true"}))
    assert "has no feature pyramid" in findings["error"][f"{EXTRACTOR}.fpn"]
    assert findings["note"][f"{HEADS}.apply_sigmoid_to_scores"].startswith("has no effect")


@pytest.mark.parametrize("path", sorted(ZOO.glob("ssd_mobilenet_v?_[0-9]*.config")), ids=lambda path: path.stem)
def test_the_zoos_configs_can_be_built_and_lack_paths_only(path):
    config = pipeline.read(path)
    families.of(config).require_buildable(config.model)
    findings = check_config(config, path, path.read_text())
    assert all("placeholder" in finding.text for finding in findings if finding.severity != "note")
