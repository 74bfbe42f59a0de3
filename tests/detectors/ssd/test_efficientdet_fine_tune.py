"""What fine-tuning takes of an EfficientDet's or an EfficientNet's checkpoint, and what `--freeze backbone` freezes."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import family_case

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors import families
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError
from odtk.training.fine_tune import fine_tune

EXTRACTOR = "model/_feature_extractor/"
MAPS, CLASSIFIER = f"{EXTRACTOR}_efficientnet/", f"{EXTRACTOR}classification_backbone/"
PYRAMID, HEADS = f"{EXTRACTOR}_bifpn_stage/", "model/_box_predictor/"


@pytest.fixture(scope="module")
def model() -> SimpleNamespace:
    """A detector, its first values, other values, and a checkpoint of those as TFOD lays it out."""
    config = copy.deepcopy(family_case("efficientdet-d0_sum").config)
    detector = build_detector(config)
    variables = detector.checkpoint_variables()
    first = {key: variable.numpy() for key, variable in variables.items()}
    other = {key: value + 1 for key, value in first.items()}
    return SimpleNamespace(config=config, detector=detector, variables=variables, first=first, other=other)


@pytest.fixture
def checkpoint(model, tmp_path):
    """The function that writes a checkpoint of the other values, under other names for some keys, and resets ours."""

    def write(renamed=None) -> str:
        names = {key: key for key in model.other} if renamed is None else renamed
        values = {name: tf.Variable(model.other[key]) for key, name in names.items()}
        for key, variable in model.variables.items():
            variable.assign(model.first[key])
        return tf.train.Checkpoint(**as_trackable(values)).save(str(tmp_path / "ckpt"))

    return write


def taken_of(model) -> set[str]:
    """The keys whose variables have the other values; the rest must have the first ones."""
    taken = {key for key, value in model.other.items() if np.array_equal(model.variables[key], value)}
    for key in set(model.first) - taken:
        np.testing.assert_array_equal(model.variables[key], model.first[key], err_msg=key)
    return taken


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("full", (MAPS, CLASSIFIER, PYRAMID, HEADS)),
        ("detection", (MAPS, CLASSIFIER, PYRAMID)),
        ("classification", (MAPS, CLASSIFIER)),
    ],
)
def test_a_detectors_checkpoint(model, checkpoint, kind, parts):
    fine_tune(model.detector, checkpoint(), kind)
    assert taken_of(model) == {key for key in model.first if key.startswith(parts)}
    assert {part for part in parts if any(key.startswith(part) for key in model.first)} == set(parts)


def test_a_classifiers_checkpoint_has_all_of_its_layers(model, checkpoint):
    """Those that TFOD has under two objects stand in one, and the ones that nothing uses are taken, too."""
    names = model.detector.fine_tune_plan("classification").renamed
    assert {re.sub(r"-\d+/.*", "", name) for name in names.values()} == {"feature_extractor/layer_with_weights"}
    numbers = {int(re.findall(r"-(\d+)/", name)[0]) for name in names.values()}
    assert numbers == set(range(131))  # B0's: 128 of the maps, then the top's convolution and batch norm, and logits
    fine_tune(model.detector, checkpoint(names), "classification")
    assert taken_of(model) == {key for key in model.first if key.startswith((MAPS, CLASSIFIER))}


def test_a_classifier_without_its_last_layer_is_refused_as_by_tfod(model, checkpoint):
    names = model.detector.fine_tune_plan("classification").renamed
    without = {key: name for key, name in names.items() if "-130/" not in name}
    assert len(without) == len(names) - 2
    with pytest.raises(CheckpointError, match="layer_with_weights-130/"):
        fine_tune(model.detector, checkpoint(without), "classification")


def test_the_backbone_that_is_frozen(model):
    pattern = families.of(model.config).backbone_variables
    found = {key for key in model.first if re.search(pattern, key)}
    assert found == {key for key in model.first if key.startswith((MAPS, CLASSIFIER))}
