"""What configs of the SSD-MobileNet-FPN family are built, and which are refused. No network is built."""

import math

import pytest
from family_configs import ZOO, assert_refused_and_fixed, changed, checked, edited, found

from odtk import pipeline
from odtk.detectors import families
from odtk.tools.check_config import check_config

PETS = "ssd_mobilenet_v2_fpnlite_320x320_pets"
EXTRACTOR = "model.ssd.feature_extractor"
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
SIDES = "model.ssd.image_resizer.fixed_shape_resizer"


def levels(fpn: tuple[int, int], anchors: tuple[int, int] | None = None) -> dict:
    """The fields that set the levels of the pyramid, and those of the anchors where they are others."""
    names = ("min_level", "max_level")
    anchors = anchors or fpn
    return {f"{EXTRACTOR}.fpn.{name}": value for name, value in zip(names, fpn, strict=True)} | {
        f"{ANCHORS}.{name}": value for name, value in zip(names, anchors, strict=True)
    }


# What is set, what is refused for it, and a part of what is said.
REFUSED = {
    "too fine": (levels((1, 7)), f"{EXTRACTOR}.fpn.min_level", "is 1; the backbone has maps of levels 2 to 5"),
    "too coarse": (levels((6, 7)), f"{EXTRACTOR}.fpn.min_level", "is 6; the backbone has"),
    "upside down": (levels((4, 3), (4, 7)), f"{EXTRACTOR}.fpn.max_level", "is 3, below the pyramid's min_level 4"),
    "fewer anchors": (levels((3, 7), (3, 6)), f"{ANCHORS}.max_level", "for the 5 feature maps"),
    "more anchors": (levels((3, 4), (3, 5)), f"{ANCHORS}.max_level", "for the 2 feature maps"),
    "small": ({f"{SIDES}.height": 32}, f"{SIDES}.height", "is 32; this model takes no side below 33"),
    "small and padded": (
        {f"{SIDES}.height": 32, f"{EXTRACTOR}.pad_to_multiple": 64}, f"{SIDES}.height", "no side below 33",
    ),
    "maps do not meet": ({f"{SIDES}.width": 312}, f"{SIDES}.width", "is 312, which is not a multiple of 32"),
    "no channel": (
        {f"{EXTRACTOR}.min_depth": 0, f"{EXTRACTOR}.fpn.additional_layer_depth": 0},
        f"{EXTRACTOR}.fpn.additional_layer_depth", "is 0: times depth_multiplier it leaves the pyramid no channel",
    ),
    "no channel in the stem": (
        {
            f"{EXTRACTOR}.type": "ssd_mobilenet_v1_fpn_keras",
            f"{EXTRACTOR}.min_depth": 0,
            f"{EXTRACTOR}.depth_multiplier": 0.15,
        },
        f"{EXTRACTOR}.depth_multiplier", "is 0.15: it leaves the first layer no channel",
    ),
    "too wide": (
        {f"{EXTRACTOR}.depth_multiplier": math.inf}, f"{EXTRACTOR}.depth_multiplier", "is inf; it multiplies",
    ),
    "no width": ({f"{EXTRACTOR}.depth_multiplier": 0}, f"{EXTRACTOR}.depth_multiplier", "is 0; it multiplies"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_and_its_edits_fix_it(case):
    fields, path, words = REFUSED[case]
    assert_refused_and_fixed(changed(PETS, fields), path, words)


@pytest.mark.parametrize(
    ("fpn", "maps"), [((3, 7), (3, 7)), ((2, 5), (2, 5)), ((5, 6), (5, 6)), ((3, 4), (4, 5)), ((2, 2), (5, 5))]
)
def test_levels_and_the_maps_that_they_are(fpn, maps):
    config = changed(PETS, levels(fpn))
    family = families.of(config)
    assert family.levels(config.model.ssd) == maps
    grid = family.anchor_grid(config.model, (320, 320))
    assert [level.shape[:2] for level in grid.levels] == [(-(-320 // 2**n),) * 2 for n in range(maps[0], maps[1] + 1)]


def test_levels_below_the_backbones_last_map_are_a_warning():
    config = changed(PETS, levels((3, 4)))
    warnings = {finding.path: finding.text for finding in found(config) if finding.severity == "warning"}
    text = warnings.pop(f"{EXTRACTOR}.fpn.max_level")
    assert "have strides 16 and 32" in text
    assert "levels 4 to 5" in text
    assert "anchors are laid out with level 3's stride" in warnings.pop(f"{ANCHORS}.min_level")
    assert not warnings
    fixed = edited(config)
    assert families.of(fixed).levels(fixed.model.ssd) == families.of(config).levels(config.model.ssd)
    assert not [finding for finding in found(fixed) if finding.severity == "warning"]


@pytest.mark.parametrize(
    ("fields", "good", "bad"),
    [
        ({}, (313, 320, 33 + 31), (312, 321, 33, 150)),
        (levels((2, 5)), (317, 320), (316, 321)),
        (levels((5, 6)), (33, 150), (32,)),
        ({f"{EXTRACTOR}.use_explicit_padding": "true"}, (33, 97, 150), (32,)),
        ({f"{EXTRACTOR}.pad_to_multiple": 64}, (33, 150), (32,)),
        ({f"{EXTRACTOR}.pad_to_multiple": 10}, (311, 320), (310, 321)),
    ],
)
def test_sides(fields, good, bad):
    """TFOD's maps have half the side of the one before, rounded up."""
    config = changed(PETS, fields)
    size = families.of(config).input_size(config.model)
    assert [side for side in good if not size.takes(side)] == []
    assert [side for side in bad if size.takes(side)] == []


def test_what_resnet_ignores_is_obeyed_here_and_the_reverse_is_refused():
    fpn = {f"{EXTRACTOR}.fpn": "{ min_level: 4 max_level: 6 additional_layer_depth: 64 }"}
    resnet = "ssd_resnet50_v1_fpn_640x640_pets"
    for name, obeyed in ((PETS, True), (resnet, False)):
        fields = {**fpn, f"{EXTRACTOR}.use_explicit_padding": "true", f"{EXTRACTOR}.num_layers": "4"}
        config = changed(name, fields)
        findings = checked(config)
        ignored = {path for path, text in findings["note"].items() if text.startswith("has no effect")}
        paths = {f"{EXTRACTOR}.fpn", f"{EXTRACTOR}.use_explicit_padding"}
        assert paths & ignored == (set() if obeyed else paths)
        assert (f"{EXTRACTOR}.num_layers" in findings["error"]) == obeyed
        assert families.of(config).levels(config.model.ssd) == ((4, 6) if obeyed else (3, 7))


@pytest.mark.parametrize("path", sorted(ZOO.glob("ssd_mobilenet_*_fpn*.config")), ids=lambda path: path.stem)
def test_the_zoos_configs_can_be_built_and_lack_paths_only(path):
    config = pipeline.read(path)
    families.of(config).require_buildable(config.model)
    findings = check_config(config, path, path.read_text())
    assert all("placeholder" in finding.text for finding in findings if finding.severity != "note")
