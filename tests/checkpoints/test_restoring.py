"""Restoring is strict both ways, and says what it did."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.modeling.optimization import ExponentialMovingAverage
from small_checkpoints import BACKBONE, HEAD, SUFFIX, make_variables, save, values

from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.errors import CheckpointError, DamagedCheckpointError


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
        assert lines[2] == f"Unused in the checkpoint (2): {HEAD}/kernel, {BACKBONE}/beta."
        assert values(wanted) == before

    def test_another_shape_names_both(self, saved):
        variables = make_variables(kernel=(5, 5))
        before = values(variables)
        with pytest.raises(CheckpointError, match="With another shape") as error:
            restore(variables, CheckpointReader(saved))
        assert f"{BACKBONE}/kernel (here (5, 5), in the checkpoint (2, 3))" in str(error.value)
        assert f"{HEAD}/kernel (here (5, 5), in the checkpoint (4,))" in str(error.value)
        assert values(variables) == before

    def test_of_many_names_the_first_five_are_said(self, saved):
        wanted = make_variables() | {f"{HEAD}/new{n}": tf.Variable(0.0) for n in range(300)}
        with pytest.raises(CheckpointError) as error:
            restore(wanted, CheckpointReader(saved))
        line = next(line for line in str(error.value).splitlines() if line.startswith("Missing"))
        assert line.startswith(f"Missing in the checkpoint (300): {HEAD}/new0, {HEAD}/new1, ")
        assert line.endswith(" and 295 more.")
        assert line.count(HEAD) == 5

    def test_a_wrong_shape_is_no_left_over(self, saved):
        with pytest.raises(CheckpointError) as error:
            restore(make_variables(kernel=(5, 5)), CheckpointReader(saved))
        assert "Missing" not in str(error.value)
        assert "Unused" not in str(error.value)

    def test_values_that_are_not_finite_are_refused(self, tmp_path):
        variables = make_variables(0.0)
        variables[f"{HEAD}/kernel"].assign([1.0, float("inf"), 2.0, 3.0])
        saved = save(variables, tmp_path / "failed")
        with pytest.raises(DamagedCheckpointError, match=rf"failed: {HEAD}/kernel is not finite"):
            restore(make_variables(0.0), CheckpointReader(saved))

    def test_left_over_alone_is_refused(self, saved):
        variables = make_variables()
        del variables[f"{HEAD}/bias"]
        before = values(variables)
        with pytest.raises(CheckpointError, match=rf"Unused in the checkpoint \(1\): {HEAD}/bias\."):
            restore(variables, CheckpointReader(saved))
        assert values(variables) == before

    def test_what_may_be_left_over_is_named_by_its_beginning(self, saved):
        variables = {key: variable for key, variable in make_variables().items() if key.startswith(BACKBONE)}
        with pytest.raises(CheckpointError, match="Unused"):
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

    def test_other_roots_are_not_the_models(self, tmp_path):
        variables = make_variables()
        prefix = save(variables | {"other/kernel": tf.Variable(1.0)}, tmp_path / "ckpt-1")
        assert restore(variables, CheckpointReader(prefix)).unused == []
