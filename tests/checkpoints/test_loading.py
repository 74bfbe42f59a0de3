"""Checkpoints: TFOD's layout read and written, strictness, and what is said about a prefix that is none."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from golden_cases import resnet50_case, variant_case, write_checkpoint
from official.modeling.optimization import ExponentialMovingAverage
from tensorflow.core.protobuf import trackable_object_graph_pb2

from odtk.checkpoints.files import prefixes_near
from odtk.checkpoints.newest import find_checkpoint
from odtk.checkpoints.object_graph import as_trackable
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.build import build_detector
from odtk.errors import CheckpointError, DamagedCheckpointError

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
BACKBONE, HEAD = "model/_feature_extractor/backbone", "model/_box_predictor/head"


def make_variables(start: float = 0.0, **shapes) -> dict[str, tf.Variable]:
    """A small model's variables, all values different; `shapes` replace those of the keys' last part."""
    sizes = {f"{BACKBONE}/kernel": (2, 3), f"{BACKBONE}/beta": (3,), f"{HEAD}/kernel": (4,), f"{HEAD}/bias": ()}
    variables = {}
    for key, shape in sizes.items():
        shape = shapes.get(key.rsplit("/", 1)[1], shape)
        count = int(np.prod(shape))
        variables[key] = tf.Variable(tf.reshape(tf.range(start, start + count), shape))
        start += count
    return variables


def values(variables: dict[str, tf.Variable]) -> dict[str, list]:
    return {key: variable.numpy().tolist() for key, variable in variables.items()}


def save(variables: dict, prefix, **others) -> str:
    return tf.train.Checkpoint(**as_trackable(variables), **others).write(str(prefix))


def object_graph(prefix: str) -> trackable_object_graph_pb2.TrackableObjectGraph:
    serialized = tf.train.load_checkpoint(prefix).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    return trackable_object_graph_pb2.TrackableObjectGraph.FromString(serialized)


@pytest.fixture(scope="module")
def detectors():
    """Two detectors of one config, with different values."""
    case = variant_case("base")
    first, second = build_detector(case.config), build_detector(case.config)
    case.assign_weights(first.checkpoint_variables())
    return first, second


@pytest.fixture
def saved(tmp_path) -> str:
    return save(make_variables(100), tmp_path / "ckpt-1")


class TestResolution:
    def test_every_path_of_tfods_object_graph_leads_to_its_variable(self, tfod_checkpoint):
        reader = CheckpointReader(tfod_checkpoint)
        for key, shape in resnet50_case().shapes.items():
            assert reader.tensor_name(key) == key + SUFFIX
            assert reader.shape(key + SUFFIX) == shape

    def test_a_shared_convolution_is_found_by_each_of_its_paths(self, tfod_checkpoint):
        reader = CheckpointReader(tfod_checkpoint)
        saved_at = reader.tensor_name("model/_box_predictor/_head_scope_conv_layers/BoxPredictionTower/1/kernel")
        assert saved_at is not None
        for level in range(5):
            tower = f"model/_box_predictor/_base_tower_layers_for_heads/box_encodings/{level}"
            assert reader.tensor_name(f"{tower}/3/kernel") == saved_at

    @pytest.mark.parametrize(
        "key", ["model", "model/_nothing", "model/_box_predictor/nothing/kernel", "nothing", "", "model//kernel"]
    )
    def test_no_variable_there(self, tfod_checkpoint, key):
        assert CheckpointReader(tfod_checkpoint).tensor_name(key) is None

    def test_variables_saved_under_another_of_their_paths(self, detectors, tmp_path):
        """As another TensorFlow version does: the tower's kernels below `_base_tower_layers_for_heads`."""
        first, second = detectors
        variables = first.checkpoint_variables()
        moved = {
            key: key.replace(
                f"_head_scope_conv_layers/{tower}/{index}",
                f"_base_tower_layers_for_heads/{head}/0/{3 * index}",
            )
            for tower, head in (
                ("BoxPredictionTower", "box_encodings"),
                ("ClassPredictionTower", "class_predictions_with_background"),
            )
            for index in range(2)
            for key in variables
            if f"/{tower}/{index}/" in key
        }
        assert len(moved) == 4
        both_paths = variables | {moved[key]: variables[key] for key in moved}
        graph = object_graph(save(both_paths, tmp_path / "both"))
        for node in graph.nodes:
            for attribute in node.attributes:
                key = attribute.checkpoint_key.removesuffix(SUFFIX)
                attribute.checkpoint_key = moved.get(key, key) + SUFFIX
        stored = {moved.get(key, key): variable.numpy() for key, variable in variables.items()}
        write_checkpoint(str(tmp_path / "moved"), stored, graph.SerializeToString())

        reader = CheckpointReader(tmp_path / "moved")
        key = next(iter(moved))
        assert reader.tensor_name(key) == moved[key] + SUFFIX
        for variable in second.checkpoint_variables().values():
            variable.assign(tf.zeros_like(variable))
        report = restore(second.checkpoint_variables(), reader)
        assert report.unused == []
        for key, variable in second.checkpoint_variables().items():
            np.testing.assert_array_equal(variable, variables[key], err_msg=key)


class TestRestore:
    def test_everything(self, saved):
        variables = make_variables()
        report = restore(variables, CheckpointReader(saved))
        assert values(variables) == values(make_variables(100))
        assert sorted(report.restored) == sorted(variables)
        assert (report.skipped, report.unused, report.prefix) == ({}, [], saved)

    def test_only_the_keys_asked_for(self, saved):
        variables = make_variables()
        report = restore(variables, CheckpointReader(saved), [f"{BACKBONE}/kernel"], may_be_unused=["model/"])
        changed = {key for key, value in values(variables).items() if value != values(make_variables())[key]}
        assert changed == set(report.restored) == {f"{BACKBONE}/kernel"}
        assert set(report.skipped) == set(variables) - changed
        assert report.unused == sorted(key + SUFFIX for key in set(variables) - changed)

    def test_missing_and_left_over_are_two_sorted_lists(self, saved):
        wanted = make_variables()
        wanted[f"{HEAD}/gamma"] = wanted.pop(f"{HEAD}/kernel")
        wanted[f"{BACKBONE}/alpha"] = wanted.pop(f"{BACKBONE}/beta")
        before = values(wanted)
        with pytest.raises(CheckpointError) as error:
            restore(wanted, CheckpointReader(saved))
        lines = str(error.value).splitlines()
        assert saved in lines[0]
        # '_b' sorts before '_f': the box predictor's come first.
        assert lines[1] == f"Missing in the checkpoint (2): {HEAD}/gamma, {BACKBONE}/alpha."
        assert lines[2] == f"Left over in the checkpoint (2): {HEAD}/kernel, {BACKBONE}/beta."
        assert values(wanted) == before

    def test_another_shape_names_both(self, saved):
        variables = make_variables(kernel=(5, 5))
        before = values(variables)
        with pytest.raises(CheckpointError, match="Of another shape") as error:
            restore(variables, CheckpointReader(saved))
        assert f"{BACKBONE}/kernel (here (5, 5), in the checkpoint (2, 3))" in str(error.value)
        assert f"{HEAD}/kernel (here (5, 5), in the checkpoint (4,))" in str(error.value)
        assert values(variables) == before

    def test_a_wrong_shape_is_no_left_over(self, saved):
        with pytest.raises(CheckpointError) as error:
            restore(make_variables(kernel=(5, 5)), CheckpointReader(saved))
        assert "Missing" not in str(error.value)
        assert "Left over" not in str(error.value)

    def test_left_over_alone_is_refused(self, saved):
        variables = make_variables()
        del variables[f"{HEAD}/bias"]
        before = values(variables)
        with pytest.raises(CheckpointError, match=rf"Left over in the checkpoint \(1\): {HEAD}/bias\."):
            restore(variables, CheckpointReader(saved))
        assert values(variables) == before

    def test_what_may_be_left_over_is_named_by_its_beginning(self, saved):
        variables = {key: variable for key, variable in make_variables().items() if key.startswith(BACKBONE)}
        with pytest.raises(CheckpointError, match="Left over"):
            restore(variables, CheckpointReader(saved), may_be_unused=["model/_box_predictor/other"])
        report = restore(variables, CheckpointReader(saved), may_be_unused=["model/_box_predictor/"])
        assert report.unused == [f"{HEAD}/bias{SUFFIX}", f"{HEAD}/kernel{SUFFIX}"]

    def test_renamed_keys_are_looked_up_elsewhere(self, tmp_path):
        """TFOD's classification checkpoints hold the backbone at the root attribute `feature_extractor`."""
        there = {
            key.replace(BACKBONE, "feature_extractor"): v for key, v in make_variables(7).items() if BACKBONE in key
        }
        reader = CheckpointReader(save(there, tmp_path / "ckpt-1"))
        variables = make_variables()
        keys = [key for key in variables if key.startswith(BACKBONE)]
        renamed = {key: key.replace(BACKBONE, "feature_extractor") for key in keys}
        assert restore(variables, reader, keys, renamed=renamed).restored == keys
        for key in keys:
            np.testing.assert_array_equal(variables[key], there[renamed[key]])

    def test_moving_averages_are_taken_where_the_optimizer_has_them(self, tmp_path):
        variables = make_variables(1)
        trained = [variable for key, variable in variables.items() if not key.endswith("bias")]
        optimizer = ExponentialMovingAverage(tf_keras.optimizers.legacy.SGD(0.5), average_decay=0.5)
        for variable in trained:
            optimizer.add_slot(variable, "average", initializer="zeros").assign(variable + 1000)
        reader = CheckpointReader(save(variables, tmp_path / "ckpt-1", optimizer=optimizer))

        averages, plain = make_variables(), make_variables()
        restore(averages, reader, slot="average")
        restore(plain, reader)
        for key, variable in variables.items():
            shift = 0 if key.endswith("bias") else 1000
            np.testing.assert_array_equal(averages[key], variable + shift, err_msg=key)
            np.testing.assert_array_equal(plain[key], variable, err_msg=key)


class TestAsTrackable:
    def test_round_trip_by_our_reader_bit_for_bit(self, detectors, tmp_path):
        variables = detectors[0].checkpoint_variables()
        reader = CheckpointReader(save(variables, tmp_path / "ckpt-1"))
        assert {key + SUFFIX for key in variables} == set(reader.variable_names("model"))
        for key, variable in variables.items():
            np.testing.assert_array_equal(reader.value(reader.tensor_name(key)), variable, err_msg=key)

    def test_round_trip_by_tensorflows_on_another_detector(self, detectors, tmp_path):
        first, second = (detector.checkpoint_variables() for detector in detectors)
        prefix = tf.train.Checkpoint(**as_trackable(first)).save(str(tmp_path / "ckpt"))
        for variable in second.values():
            variable.assign(tf.zeros_like(variable))
        tf.train.Checkpoint(**as_trackable(second)).restore(prefix).assert_consumed()
        for key, variable in second.items():
            np.testing.assert_array_equal(variable, first[key], err_msg=key)

    def test_tensorflow_reads_tfods_checkpoint_through_it(self, tfod_checkpoint):
        case = resnet50_case()
        key = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0/bias"
        variable = tf.Variable(tf.zeros(case.shapes[key]))
        tf.train.Checkpoint(**as_trackable({key: variable})).restore(tfod_checkpoint).expect_partial()
        assert variable.numpy().any()

    def test_a_step_beside_the_model(self, tmp_path):
        save(make_variables(), tmp_path / "ours", global_step=tf.Variable(120, dtype=tf.int64))
        save(make_variables(), tmp_path / "tfods", step=tf.Variable(240, dtype=tf.int64))
        save(make_variables(), tmp_path / "none")
        assert [CheckpointReader(tmp_path / name).step for name in ("ours", "tfods", "none")] == [120, 240, None]

    def test_other_roots_are_not_the_models(self, tmp_path):
        variables = make_variables()
        prefix = save(variables | {"other/kernel": tf.Variable(1.0)}, tmp_path / "ckpt-1")
        assert restore(variables, CheckpointReader(prefix)).unused == []


class TestPrefix:
    def test_a_tensorflow_1_checkpoint_is_refused(self, tmp_path):
        write_checkpoint(str(tmp_path / "model.ckpt"), {"conv/weights": np.zeros(3, np.float32)}, object_graph=None)
        with pytest.raises(CheckpointError, match="TensorFlow 1") as error:
            CheckpointReader(tmp_path / "model.ckpt")
        assert "model.ckpt" in str(error.value)

    def test_an_index_that_is_none_is_refused(self, tmp_path):
        (tmp_path / "ckpt-0.index").write_bytes(b"not an index at all")
        (tmp_path / "ckpt-0.data-00000-of-00001").touch()
        with pytest.raises(CheckpointError, match=r"ckpt-0\.index is damaged"):
            CheckpointReader(tmp_path / "ckpt-0")

    @pytest.mark.parametrize("extension", [".index", ".data-00000-of-00001"])
    def test_a_file_of_the_checkpoint_names_the_prefix(self, saved, extension):
        with pytest.raises(CheckpointError, match="one file of a checkpoint") as error:
            CheckpointReader(saved + extension)
        assert str(error.value).endswith(f": {saved}")

    def test_a_folder_names_the_checkpoints_in_it(self, saved, tmp_path):
        with pytest.raises(CheckpointError, match=f"Here are: {saved}"):
            CheckpointReader(tmp_path)

    def test_a_wrong_number_names_its_neighbours(self, saved, tmp_path):
        with pytest.raises(CheckpointError, match=f"Here are: {saved}"):
            CheckpointReader(tmp_path / "ckpt-7")

    @pytest.mark.parametrize("name", ["ckpt-0", "no/such/folder/ckpt-0", "."])
    def test_nothing_there(self, tmp_path, name):
        with pytest.raises(CheckpointError, match="no checkpoint near it"):
            CheckpointReader(tmp_path / name)

    def test_no_more_than_five_neighbours_are_named(self, tmp_path):
        for number in range(7):
            save(make_variables(), tmp_path / f"ckpt-{number}")
        assert len(prefixes_near(tmp_path / "ckpt-9")) == 5


class TestFindCheckpoint:
    def test_a_prefix_is_itself(self, saved):
        assert find_checkpoint(saved) == saved

    def test_a_model_dir_means_its_latest(self, tmp_path):
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(**as_trackable(make_variables())), str(tmp_path), max_to_keep=3
        )
        saved = [manager.save(checkpoint_number=number) for number in (9, 10, 11)]
        assert find_checkpoint(tmp_path) == saved[-1]

    def test_an_exported_folder_means_the_checkpoint_inside(self, tmp_path):
        folder = tmp_path / "exported" / "checkpoint"
        saved = tf.train.Checkpoint(**as_trackable(make_variables())).save(str(folder / "ckpt"))
        (tmp_path / "exported" / "saved_model").mkdir()
        assert find_checkpoint(tmp_path / "exported") == saved
        assert find_checkpoint(folder) == saved

    def test_a_folder_without_any_says_train_first(self, tmp_path):
        with pytest.raises(CheckpointError, match="Train first") as error:
            find_checkpoint(tmp_path)
        assert str(tmp_path) in str(error.value)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            find_checkpoint(tmp_path / "ckpt-3")


DAMAGES = {
    "truncated": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: content[:-9]),
    "empty": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: b""),
    "a bit": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: b"\x77" + content[1:]),
    "no data": lambda prefix: Path(f"{prefix}.data-00000-of-00001").unlink(),
    "a shard": lambda prefix: shutil.move(f"{prefix}.data-00000-of-00001", f"{prefix}.data-00000-of-00002"),
    "garbage": lambda prefix: rewrite(f"{prefix}.index", lambda content: content[::-1]),
    "half an index": lambda prefix: rewrite(f"{prefix}.index", lambda content: content[: len(content) // 2]),
    "no index": lambda prefix: Path(f"{prefix}.index").unlink(),
}
NAMED = {"garbage": "index", "half an index": "index", "no index": "index", "a shard": "data-00001-of-00002"}


def rewrite(path, change):
    Path(path).write_bytes(change(Path(path).read_bytes()))


@pytest.fixture
def model_dir(tmp_path):
    """Checkpoints 9 and 10, whose names sort the other way round as text, and the file that names 10."""
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(**as_trackable(make_variables())), str(tmp_path / "model"), max_to_keep=3
    )
    for number in (9, 10):
        manager.save(checkpoint_number=number)
    return tmp_path / "model"


class TestNewestCheckpoint:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_is_named_and_the_one_before_is_taken(self, model_dir, damage):
        DAMAGES[damage](model_dir / "ckpt-10")
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-9")
        (line,) = said
        assert f"{model_dir / 'ckpt-10'}.{NAMED.get(damage, 'data-00000-of-00001')}" in line
        assert line.endswith(f"{model_dir / 'ckpt-9'} is taken instead.")

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_that_was_named_is_an_error(self, model_dir, damage):
        DAMAGES[damage](model_dir / "ckpt-10")
        with pytest.raises(DamagedCheckpointError, match=re.escape(f"{model_dir / 'ckpt-10'}.")):
            CheckpointReader(find_checkpoint(model_dir / "ckpt-10")).verify()

    def test_where_all_are_damaged_all_are_named(self, model_dir):
        for number in (9, 10):
            DAMAGES["truncated"](model_dir / f"ckpt-{number}")
        with pytest.raises(DamagedCheckpointError, match=r"(?s)no checkpoint that can be read.*ckpt-10.*ckpt-9"):
            find_checkpoint(model_dir)

    @pytest.mark.parametrize("state", [
        'model_checkpoint_path: "/content/drive/MyDrive/model/ckpt-10"',
        'model_checkpoint_path: "/content/drive/MyDrive/model/ckpt-9"',  # it went on after the file was copied
        'model_checkpoint_path: "ckpt-12"',
        "\0 no text at all",
        None,
    ])  # fmt: skip
    def test_a_moved_folder_has_its_newest_by_number_and_says_so(self, model_dir, state):
        (model_dir / "checkpoint").unlink()
        if state:
            (model_dir / "checkpoint").write_text(state)
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-10")
        (line,) = said
        assert line.endswith(f" {model_dir / 'ckpt-10'}.")

    def test_a_copied_folder_gives_its_own_checkpoint_not_that_of_the_first(self, model_dir, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(model_dir, copy)
        (copy / "checkpoint").write_text(f'model_checkpoint_path: "{model_dir / "ckpt-10"}"')
        said = []
        assert find_checkpoint(copy, said.append) == str(copy / "ckpt-10")
        assert len(said) == 1

    def test_the_file_has_the_last_word_on_what_is_there(self, model_dir):
        (model_dir / "checkpoint").write_text('model_checkpoint_path: "ckpt-9"')
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-9")
        assert said == []
