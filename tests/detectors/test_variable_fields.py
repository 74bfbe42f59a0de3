"""A change of any of a family's `variable_fields` changes the variables of its detectors."""

import pytest

from odtk import pipeline
from odtk.detectors import families
from odtk.detectors.build import build_detector

PETS = "ssd_mobilenet_v2_fpnlite_320x320_pets"
HEADS = "box_predictor.weight_shared_convolutional_box_predictor"
OF_MAPS = "box_predictor.convolutional_box_predictor"
ANCHORS = "anchor_generator.multiscale_anchor_generator"
CHANGES = {
    "num_classes": {"num_classes": 3},
    "feature_extractor.type": {"feature_extractor.type": "ssd_mobilenet_v1_fpn_keras"},
    "feature_extractor.depth_multiplier": {"feature_extractor.depth_multiplier": 0.5},
    "feature_extractor.fpn.min_level": {"feature_extractor.fpn.min_level": 4, f"{ANCHORS}.min_level": 4},
    "feature_extractor.fpn.max_level": {"feature_extractor.fpn.max_level": 6, f"{ANCHORS}.max_level": 6},
    "feature_extractor.use_depthwise": {"feature_extractor.use_depthwise": "false"},
    f"{HEADS}.depth": {f"{HEADS}.depth": 8},
    f"{HEADS}.num_layers_before_predictor": {f"{HEADS}.num_layers_before_predictor": 1},
    f"{HEADS}.kernel_size": {f"{HEADS}.kernel_size": 1, f"{HEADS}.use_depthwise": "false"},
    f"{HEADS}.share_prediction_tower": {f"{HEADS}.share_prediction_tower": "false"},
    f"{HEADS}.use_depthwise": {f"{HEADS}.use_depthwise": "false"},
    f"{OF_MAPS}.kernel_size": {f"{OF_MAPS}.kernel_size": 5},
    f"{OF_MAPS}.use_depthwise": {f"{OF_MAPS}.use_depthwise": "true"},
    f"{ANCHORS}.scales_per_octave": {f"{ANCHORS}.scales_per_octave": 3},
}
# What is set in either case, for fields of a block that the shipped pipeline does not have.
ALSO = {OF_MAPS: {OF_MAPS: "{ conv_hyperparams { } kernel_size: 3 }"}}


def variables(changes: dict) -> dict:
    text = pipeline.set_fields(
        pipeline.read_text(PETS), [(f"model.ssd.{path}", str(value)) for path, value in changes.items()], PETS
    )
    return {key: tuple(each.shape) for key, each in
            build_detector(pipeline.parse(text, PETS)).checkpoint_variables().items()}  # fmt: skip


def test_every_field_is_tested_here():
    assert set(CHANGES) == set(families.of(pipeline.read(PETS)).variable_fields)


@pytest.mark.slow
@pytest.mark.parametrize("field", CHANGES)
def test_a_change_changes_the_variables(field):
    also = ALSO.get(field.rpartition(".")[0], {})
    assert variables(also | CHANGES[field]) != variables(also)
