"""Variables found by the checkpoint's own object graph, and what is said about a prefix that is none."""

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import resnet50_case, write_checkpoint
from small_checkpoints import SUFFIX, make_variables, object_graph, save

from odtk.checkpoints.files import prefixes_near
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.errors import CheckpointError


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

    def test_a_step_beside_the_model(self, tmp_path):
        save(make_variables(), tmp_path / "ours", global_step=tf.Variable(120, dtype=tf.int64))
        save(make_variables(), tmp_path / "tfods", step=tf.Variable(240, dtype=tf.int64))
        save(make_variables(), tmp_path / "none")
        assert [CheckpointReader(tmp_path / name).step for name in ("ours", "tfods", "none")] == [120, 240, None]


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
