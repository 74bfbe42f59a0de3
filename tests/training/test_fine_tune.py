"""What each fine_tune_checkpoint_type takes of a checkpoint, and what --reuse-head-weights adds to it."""

import copy
import functools

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import variant_case

from odtk.checkpoints.object_graph import as_trackable
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError, ConfigError
from odtk.tools.train.restore_table import describe_restore
from odtk.training.fine_tune import checkpoint_type, fine_tune

# Nothing here depends on how deep the backbone is.
pytestmark = pytest.mark.usefixtures("shallow_resnet")

CASE = variant_case("base")
HEADS = "model/_box_predictor/"
CLASS_CONV = f"{HEADS}_prediction_heads/"
BACKBONE = "model/_feature_extractor/classification_backbone/"


def small_config(num_classes: int = 3, **predictor):
    """The base variant's with an even narrower network, and other fields of its box predictor."""
    config = copy.deepcopy(CASE.config)
    config.model.ssd.num_classes = num_classes
    config.model.ssd.feature_extractor.depth_multiplier = 0.1
    for name, value in predictor.items():
        setattr(config.model.ssd.box_predictor.weight_shared_convolutional_box_predictor, name, value)
    return config


@functools.cache
def _built(serialized: bytes):
    """(detector, its initial values by key)."""
    detector = build_detector(type(CASE.config).FromString(serialized))
    return detector, {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}


def new_detector(config):
    """A detector with its initial values; of the same config the same object, as building one takes the longest."""
    detector, initial = _built(config.SerializeToString(deterministic=True))
    for key, variable in detector.checkpoint_variables().items():
        variable.assign(initial[key])
    return detector


@pytest.fixture(scope="module")
def source():
    """A detector of 3 classes, its values by key, all of them different from any new detector's."""
    detector = new_detector(small_config())
    rng = np.random.default_rng(1)
    for variable in detector.checkpoint_variables().values():
        variable.assign(rng.uniform(5, 6, variable.shape))
    return {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}


@pytest.fixture(scope="module")
def checkpoint(source, tmp_path_factory) -> str:
    variables = {key: tf.Variable(value) for key, value in source.items()}
    return tf.train.Checkpoint(**as_trackable(variables)).save(str(tmp_path_factory.mktemp("source") / "ckpt"))


def tuned(config, checkpoint: str, source: dict, kind: str = "detection", reuse_heads: bool = True):
    """(report, keys that were restored by their values); what was not restored has its initial value."""
    detector = new_detector(config)
    before = {key: variable.numpy() for key, variable in detector.checkpoint_variables().items()}
    report = fine_tune(detector, checkpoint, kind, reuse_heads)
    taken = set()
    for key, variable in detector.checkpoint_variables().items():
        if np.array_equal(variable, before[key]):
            assert key in report.skipped
        else:
            np.testing.assert_array_equal(variable, source[key], err_msg=key)
            assert key in report.restored
            taken.add(key)
    assert len(report.restored) + len(report.skipped) == len(before)
    return report, taken


def parts(keys) -> set[str]:
    """Which parts of the heads keys belong to: the third and fourth name of their paths."""
    return {"/".join(key.split("/")[2:4]) for key in keys if key.startswith(HEADS)}


BOX_HEAD = "_box_prediction_head/_box_encoder_layers"
BOX_TOWER = {"_head_scope_conv_layers/BoxPredictionTower", "_base_tower_layers_for_heads/box_encodings"}
CLASS_TOWER = {
    "_head_scope_conv_layers/ClassPredictionTower",
    "_base_tower_layers_for_heads/class_predictions_with_background",
}


class TestReusedHeads:
    @pytest.mark.parametrize("num_classes", [3, 7])
    def test_all_but_the_class_predictions(self, checkpoint, source, num_classes):
        """The same number of classes does not make them the same classes: those are for 'full'."""
        report, taken = tuned(small_config(num_classes), checkpoint, source)
        assert set(report.skipped) == {key for key in source if key.startswith(CLASS_CONV)}
        assert taken == set(source) - set(report.skipped)
        assert parts(taken) == {BOX_HEAD} | BOX_TOWER | CLASS_TOWER
        assert set(report.skipped.values()) == {"belongs to the checkpoint's classes ('full' restores it)"}
        assert {name.split("/.")[0] for name in report.unused} == set(report.skipped)

    def test_without_the_option_no_head_is_taken(self, checkpoint, source):
        report, taken = tuned(small_config(7), checkpoint, source, reuse_heads=False)
        assert parts(taken) == set()
        assert taken == {key for key in source if not key.startswith(HEADS)}
        assert set(report.skipped.values()) == {"fine_tune_checkpoint_type 'detection' leaves it out"}

    def test_towers_of_another_width_stay_behind_with_both_shapes(self, checkpoint, source):
        report, taken = tuned(small_config(depth=16), checkpoint, source)
        assert parts(taken) == set()
        width = source[f"{HEADS}_head_scope_conv_layers/BoxPredictionTower/0/kernel"].shape
        why = report.skipped[f"{HEADS}_head_scope_conv_layers/BoxPredictionTower/1/kernel"]
        assert why.startswith("the box tower differs: ")
        assert f"is {(*width[:3], 16)} here, {width} in the checkpoint" in why
        assert "box head differs" in report.skipped[f"{HEADS}{BOX_HEAD}/0/kernel"]

    @pytest.mark.parametrize(("layers", "why"), [(3, "is not in the checkpoint"), (1, "has 21 variables more")])
    def test_a_tower_of_another_length_is_not_taken_in_part(self, checkpoint, source, layers, why):
        """One level's batch norm has four variables, here a kernel goes with those of five levels."""
        report, taken = tuned(small_config(num_layers_before_predictor=layers), checkpoint, source)
        assert parts(taken) == {BOX_HEAD}
        reason = report.skipped[f"{HEADS}_head_scope_conv_layers/BoxPredictionTower/0/kernel"]
        assert reason.startswith("the box tower differs: ")
        assert reason.endswith(why)

    def test_a_shared_tower_is_not_two_towers(self, checkpoint, source):
        report, taken = tuned(small_config(share_prediction_tower=True), checkpoint, source)
        assert parts(taken) == {BOX_HEAD}
        assert "is not in the checkpoint" in report.skipped[f"{HEADS}_head_scope_conv_layers/PredictionTower/0/kernel"]

    @pytest.mark.parametrize("kind", ["full", "classification"])
    def test_other_types_do_not_go_with_it(self, checkpoint, kind):
        with pytest.raises(ConfigError, match=f"'detection'; this is '{kind}'"):
            fine_tune(new_detector(small_config()), checkpoint, kind, reuse_heads=True)


class TestTypes:
    def test_full_takes_everything(self, checkpoint, source):
        report, taken = tuned(small_config(), checkpoint, source, "full", reuse_heads=False)
        assert taken == set(source)
        assert (report.skipped, report.unused) == ({}, [])

    def test_full_with_other_classes_is_refused_with_both_shapes(self, checkpoint, source):
        shape = source[f"{CLASS_CONV}class_predictions_with_background/_class_predictor_layers/0/bias"].shape
        with pytest.raises(CheckpointError, match="With another shape") as error:
            fine_tune(new_detector(small_config(7)), checkpoint, "full")
        assert f"in the checkpoint {shape}" in str(error.value)

    def test_classification_takes_the_backbone_of_a_detection_checkpoint(self, checkpoint, source):
        _, taken = tuned(small_config(7), checkpoint, source, "classification", reuse_heads=False)
        assert taken == {key for key in source if key.startswith(BACKBONE)}

    def test_classification_takes_tfods_classification_checkpoint(self, source, tmp_path):
        backbone = {
            key.replace(BACKBONE, "feature_extractor/"): tf.Variable(value)
            for key, value in source.items()
            if key.startswith(BACKBONE)
        }
        prefix = tf.train.Checkpoint(**as_trackable(backbone)).save(str(tmp_path / "ckpt"))
        _, taken = tuned(small_config(7), prefix, source, "classification", reuse_heads=False)
        assert taken == {key for key in source if key.startswith(BACKBONE)}

    def test_a_checkpoint_without_a_backbone_is_refused(self, tmp_path):
        prefix = tf.train.Checkpoint(**as_trackable({"model/other": tf.Variable(0.0)})).save(str(tmp_path / "ckpt"))
        with pytest.raises(CheckpointError, match=f"neither feature_extractor/.* nor {BACKBONE}.* no backbone"):
            fine_tune(new_detector(small_config()), prefix, "classification")

    @pytest.mark.parametrize("kind", ["fine_tune", "Detection", "fullest"])
    def test_an_unknown_type_names_the_known_ones(self, checkpoint, kind):
        with pytest.raises(ConfigError, match=rf"is '{kind}'; it is one of full, detection, classification\.") as error:
            fine_tune(new_detector(small_config()), checkpoint, kind)
        assert ("TFOD refuses it, too" in str(error.value)) == (kind == "fine_tune")

    @pytest.mark.parametrize(("legacy", "meant"), [(True, "detection"), (False, "classification")])
    def test_an_empty_type_is_what_the_older_field_says(self, legacy, meant):
        config = small_config().train_config
        config.fine_tune_checkpoint_type, config.from_detection_checkpoint = "", legacy
        assert checkpoint_type(config) == meant


def test_the_table_lines_up_and_adds_up(checkpoint, source):
    report, _ = tuned(small_config(7, depth=16), checkpoint, source)
    title, header, *rows = describe_restore(report).splitlines()
    assert checkpoint in title
    end_of_counts = header.index("not used") + len("not used")
    counts = [row[:end_of_counts].split() for row in rows]
    assert all(len(cells) == 4 for cells in counts)
    assert all(row[:end_of_counts].rstrip() == row[:end_of_counts] for row in rows)
    for column, keys in enumerate((report.restored, report.skipped, report.unused), start=1):
        assert int(counts[-1][column]) == len(keys) == sum(int(row[column].replace("-", "0")) for row in counts[:-1])
    reasons = {row[0]: line[end_of_counts:] for row, line in zip(counts, rows, strict=True)}
    assert reasons["_feature_extractor/classification_backbone"] == ""
    assert "the box tower differs" in reasons["_box_predictor/_head_scope_conv_layers/BoxPredictionTower"]
