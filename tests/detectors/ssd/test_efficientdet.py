"""What configs of the EfficientDet family are built, and which are refused. No network is built."""

import pytest
from family_configs import ZOO, assert_refused_and_fixed, changed, checked, edited, found

from odtk import pipeline
from odtk.detectors import families
from odtk.errors import ConfigError
from odtk.tools.check_config import check_config

PETS = "ssd_efficientdet_d0_512x512_pets"
EXTRACTOR = "model.ssd.feature_extractor"
BIFPN = f"{EXTRACTOR}.bifpn"
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
SIDE = "model.ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension"
LEAST = "model.ssd.image_resizer.keep_aspect_ratio_resizer.min_dimension"
OVERRIDE = f"{EXTRACTOR}.override_base_feature_extractor_hyperparams"
REGULARIZER = f"{EXTRACTOR}.conv_hyperparams.regularizer"


def levels(finest: int, coarsest: int) -> dict:
    """The fields that set the levels of the pyramid and of the anchors."""
    names = {"min_level": finest, "max_level": coarsest}
    return {f"{path}.{name}": value for path in (BIFPN, ANCHORS) for name, value in names.items()}


# What is set, what is refused for it, and a part of what is said.
REFUSED = {
    "too fine": (levels(0, 7), f"{BIFPN}.min_level", "is 0; the backbone has maps of levels 1 to 5"),
    "too coarse": (levels(6, 8) | {SIDE: 768}, f"{BIFPN}.min_level", "is 6; the backbone has"),
    # TFOD's backbone then gives a map instead of a list of one.
    "a single map": (levels(5, 7), f"{BIFPN}.min_level", "takes at least two of them, so it is at most 4"),
    "no level of its own": (levels(3, 5), f"{BIFPN}.max_level", "is 5; the pyramid begins with a level beyond 5"),
    "other anchors": ({f"{ANCHORS}.max_level": 6}, f"{ANCHORS}.max_level", "for the 5 feature maps"),
    "no iteration": ({f"{BIFPN}.num_iterations": 0}, f"{BIFPN}.num_iterations", "is 0; it must be at least 1"),
    "no channel": (
        {f"{BIFPN}.num_filters": 0, f"{EXTRACTOR}.min_depth": 0}, f"{BIFPN}.num_filters", "is 0; it must be at least",
    ),
    "other method": ({f"{BIFPN}.combine_method": "mean"}, f"{BIFPN}.combine_method", "is 'mean'; it is one of fast_"),
    "no size": (
        {"model.ssd.image_resizer": ""}, "model.ssd.image_resizer", "is empty, so images have no size",
    ),
    "small": ({SIDE: 128, LEAST: 128}, SIDE, "is 128; this model takes no side below 129"),
    "maps do not meet": ({SIDE: 448, LEAST: 448}, SIDE, "is 448, which is not a multiple of 128"),
    "wider": ({f"{EXTRACTOR}.depth_multiplier": 1.1}, f"{EXTRACTOR}.depth_multiplier", "is 1.1; TFOD's EfficientDet"),
    "explicit padding": ({f"{EXTRACTOR}.use_explicit_padding": "true"}, f"{EXTRACTOR}.use_explicit_padding", "is true"),
    "depthwise": ({f"{EXTRACTOR}.use_depthwise": "true"}, f"{EXTRACTOR}.use_depthwise", "is true, which TFOD refuses"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_built_is_refused_and_its_edits_fix_it(case):
    fields, path, words = REFUSED[case]
    # Anchors follow the pyramid's new levels.
    assert_refused_and_fixed(changed(PETS, fields), path, words, rounds=2)


# What is set, where a warning or note is found for it, its severity, and a part of what is said.
NOTED = {
    "attention": ({f"{BIFPN}.combine_method": "attention"}, f"{BIFPN}.combine_method", "warning", "a plain sum"),
    "frozen": ({"model.ssd.freeze_batchnorm": "true"}, "model.ssd.freeze_batchnorm", "note", "go on training"),
    "no regularizer": ({OVERRIDE: "true", REGULARIZER: "{}"}, OVERRIDE, "warning", "with 0.01 times"),
    "L1": (
        {OVERRIDE: "true", REGULARIZER: "{ l1_regularizer { weight: 1e-4 } }"}, OVERRIDE, "warning", "sum of squares",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTED)
def test_what_is_built_otherwise_than_it_seems_is_said(case):
    fields, path, severity, words = NOTED[case]
    config = changed(PETS, fields)
    (finding,) = found(config)
    assert (finding.path, finding.severity) == (path, severity)
    assert words in finding.text
    assert bool(finding.edits) == (severity == "warning")
    families.of(config).require_buildable(config.model)
    assert found(edited(config, [finding])) == ([] if finding.edits else [finding])


def test_the_backbones_own_decay_needs_no_warning():
    for fields in ({REGULARIZER: "{}"}, {OVERRIDE: "true"}):
        assert found(changed(PETS, fields)) == []


@pytest.mark.parametrize(("finest", "coarsest"), [(3, 7), (1, 6), (4, 6), (4, 8)])
def test_levels_are_those_of_bifpn(finest, coarsest):
    config = changed(PETS, levels(finest, coarsest) | {SIDE: 512})
    family = families.of(config)
    assert family.levels(config.model.ssd) == (finest, coarsest)
    assert found(config) == []
    grid = family.anchor_grid(config.model, (512, 512))
    assert [level.shape[:2] for level in grid.levels] == [(512 // 2**n,) * 2 for n in range(finest, coarsest + 1)]


def test_without_bifpn_the_type_sets_the_pyramid():
    config = changed(PETS, {EXTRACTOR: '{ type: "ssd_efficientnet-b6_bifpn_keras" }'})
    assert not config.model.ssd.feature_extractor.HasField("bifpn")
    assert families.of(config).levels(config.model.ssd) == (3, 7)
    assert found(config) == []


@pytest.mark.parametrize(
    ("fields", "good", "bad"),
    [
        ({}, (249, 256, 505, 512), (128, 192, 248, 257, 500)),
        (levels(4, 6), (177, 192), (129, 160, 193)),
        ({f"{EXTRACTOR}.pad_to_multiple": 128}, (129, 150, 300), (128,)),
        ({f"{EXTRACTOR}.pad_to_multiple": 64}, (200, 256), (129, 192)),
    ],
)
def test_sides(fields, good, bad):
    """Maps have half the side of the one before, rounded up, and are upsampled by 2."""
    config = changed(PETS, fields)
    size = families.of(config).input_size(config.model)
    assert [side for side in good if not size.takes(side)] == []
    assert [side for side in bad if size.takes(side)] == []


def test_what_others_obey_is_refused_here_and_the_reverse():
    mobilenet = "ssd_mobilenet_v2_fpnlite_320x320_pets"
    for name, field in ((PETS, "fpn"), (PETS, "num_layers"), (mobilenet, "bifpn")):
        value = "4" if field == "num_layers" else "{ min_level: 3 max_level: 7 }"
        config = changed(name, {f"{EXTRACTOR}.{field}": value})
        assert f"{EXTRACTOR}.{field}" in checked(config)["error"]
        with pytest.raises(ConfigError, match=field):
            families.of(config).require_buildable(config.model)


@pytest.mark.skipif(not ZOO.is_dir(), reason="the zoo's configs are not on this machine")
def test_the_zoos_configs_can_be_built_and_lack_paths_only():
    paths = sorted(ZOO.glob("ssd_efficientdet_*.config"))
    assert len(paths) == 8
    for path in paths:
        config = pipeline.read(path)
        families.of(config).require_buildable(config.model)
        findings = [each for each in check_config(config, path, path.read_text()) if each.severity != "note"]
        assert all(each.path.endswith(("_path", "_checkpoint")) for each in findings), path
