"""What a fine_tune_checkpoint_type restores in a Faster R-CNN, as in TFOD, and what `--freeze` keeps."""

import copy
import re

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case, write_checkpoint

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors import families
from odtk.detectors.build import build_detector
from odtk.layers import resnet_v1
from odtk.tools.check_config.checkpoint import look_into
from odtk.tools.train.frozen_parts import with_frozen
from odtk.training.fine_tune import fine_tune

FIRST, SECOND = (
    "model/_feature_extractor_for_proposal_features/",
    "model/_feature_extractor_for_box_classifier_features/",
)
PLAIN, PYRAMID = "faster_rcnn-base", "faster_rcnn_fpn-base"
pytestmark = pytest.mark.usefixtures("shallow_resnet")


@pytest.fixture(scope="module", params=[PLAIN, PYRAMID])
def detector(request):
    return build_detector(family_case(request.param).config)


def test_detection_takes_what_computes_features_and_no_head(detector, tmp_path):
    variables = detector.checkpoint_variables()
    tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(tmp_path / "ckpt"))
    before = {key: variable.numpy() for key, variable in variables.items()}
    for variable in variables.values():
        variable.assign(variable + 1.0)
    for kind in ("detection", "full"):
        report = fine_tune(detector, str(tmp_path / "ckpt"), kind)
        taken = {key for key in variables if kind == "full" or key.startswith((FIRST, SECOND))}
        assert set(report.restored) == taken
        for key, variable in variables.items():
            np.testing.assert_array_equal(variable, before[key] if key in taken else before[key] + 1.0)
    assert any(key.startswith(SECOND) for key in variables)


def test_classification_takes_the_backbone_of_both_kinds_of_checkpoint(detector, tmp_path):
    """A classifier numbers its layers through, conv5 included, as ResNet's own model here does."""
    whole = resnet_v1.resnet_v1(50, resnet_v1.BACKBONE_DEFAULTS)
    layers = [layer for layer in whole.layers if layer.weights]
    values = {
        f"feature_extractor/layer_with_weights-{index}/{weight.name.split('/')[-1].split(':')[0]}": np.full(
            weight.shape, index + 0.1 * place, np.float32
        )
        for index, layer in enumerate(layers)
        for place, weight in enumerate(layer.weights)
    }
    objects = as_trackable({key: tf.Variable(value) for key, value in values.items()})
    tf.train.Checkpoint(**objects).write(str(tmp_path / "classifier"))
    tf.train.Checkpoint(**detector.checkpoint_objects()).write(str(tmp_path / "ckpt"))
    report = fine_tune(detector, str(tmp_path / "classifier"), "classification")
    assert len(report.restored) == len(values)
    found = {variable.name: variable for variable in detector.network.variables}
    for index, layer in enumerate(layers):
        for place, weight in enumerate(layer.weights):
            np.testing.assert_array_equal(found[weight.name], np.full(weight.shape, np.float32(index + 0.1 * place)))
    # Of a detection checkpoint no more than the backbone either.
    report = fine_tune(detector, str(tmp_path / "ckpt"), "classification")
    assert len(report.restored) == len(values)


def test_the_backbone_is_all_that_freezing_it_keeps(detector):
    config = family_case(PLAIN if detector.name.endswith("resnet") else PYRAMID).config
    pattern = families.of(config).backbone_variables
    kept = [key for key in detector.checkpoint_variables() if re.search(pattern, key)]
    whole = resnet_v1.resnet_v1(50, resnet_v1.BACKBONE_DEFAULTS)
    assert len(kept) == len(whole.weights)


def test_freezing_batch_norms_is_the_fields_default_value():
    config = copy.deepcopy(family_case(PYRAMID).config)
    assert config.model.faster_rcnn.feature_extractor.batch_norm_trainable
    frozen = with_frozen(config, "bn", lambda text: None)
    assert not frozen.model.faster_rcnn.feature_extractor.batch_norm_trainable
    again = with_frozen(frozen, "none", lambda text: None)
    assert again.model.faster_rcnn.feature_extractor.batch_norm_trainable
    assert not again.train_config.freeze_variables


def test_a_checkpoint_is_told_to_be_a_detectors_or_a_classifiers(tmp_path):
    family = families.of(family_case(PLAIN).config)
    for name, key in (("detection", f"{FIRST}layer_with_weights-0/kernel"), ("classification", "feature_extractor/a")):
        write_checkpoint(str(tmp_path / name), {key: np.zeros(3, np.float32)}, b"graph")
        assert look_into(str(tmp_path / name), family).kind == name
