"""`odtk train --precision` with a small detector: float16's skipped steps, and checkpoints that fit every precision."""

import functools
import os
import shutil
from pathlib import Path

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from inspected_records import write

from odtk import pipeline
from odtk.devices import QUICK_BATCH_NORMS
from odtk.errors import OdtkError
from odtk.tools.train import train
from odtk.tools.train.run_record import read_run
from odtk.training import trainer
from odtk.training.callbacks import nan_guard
from odtk.training.callbacks.callback import Callback
from odtk.training.loggers.csv_files import read_metrics
from odtk.training.loss_scale import LossScale

pytestmark = pytest.mark.usefixtures("no_pictures")

OFTEN = {"checkpoint_every": 2, "log_every": 1, "eval_every": 0, "seed": 1, "callbacks": []}


@pytest.fixture(scope="module", autouse=True)
def registered():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    path = fake_detector.write_config(folder, write(folder / "records"))
    sets = [("train_config.optimizer.use_moving_average", "true")]
    path.write_text(pipeline.set_fields(path.read_text(), sets, "c"))
    return path


@pytest.fixture(scope="module", autouse=True)
def high_scale():
    """Of which gradients overflow in float16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "LossScale", functools.partial(LossScale, first=2.0**40, steps_to_grow=3))
        yield


@pytest.fixture(scope="module")
def float16(config, tmp_path_factory):
    model_dir, lines = tmp_path_factory.mktemp("float16") / "model", []
    report = train(config, model_dir, num_steps=40, precision="float16", keep=20, log=lines.append, **OFTEN)
    return model_dir, report, lines


def values(prefix) -> dict:
    """All that a checkpoint holds, with slots and counters, but for its object graph."""
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_dtype_map() if name[0] != "_"}


def test_each_overflow_is_skipped_counted_and_said_and_the_scale_recovers(float16):
    model_dir, report, lines = float16
    rows = read_metrics(model_dir)
    assert "Precision: float16 with loss scaling (as asked for" in "\n".join(lines)
    skipped = [row["step"] for row, before in zip(rows[1:], rows, strict=False)
               if row["skipped_steps"] > before["skipped_steps"]]  # fmt: skip
    assert rows[0]["skipped_steps"] == 1
    assert rows[0]["loss_scale"] == 2.0**39
    scales = np.array([row["loss_scale"] for row in rows])
    assert (scales[1:] > scales[:-1]).any(), "it grows again"
    count = int(rows[-1]["skipped_steps"])
    assert count == 1 + len(skipped)
    assert 10 < count < 40
    told = [line for line in lines if line.startswith("note: Gradients overflowed in float16 at step ")]
    assert told[0] == (
        "note: Gradients overflowed in float16 at step 1, which was skipped: 1 step so far. Weights stayed as they "
        f"were; the loss scale is {2.0**39:g} now."
    )
    assert len(told) == count.bit_length()
    assert f"note: {count} steps were skipped, as gradients overflowed in float16." in lines
    (session,) = read_run(model_dir)["sessions"]
    assert (session["precision"], session["skipped_steps"]) == ("float16", count)
    assert np.isfinite([row["Loss/total_loss"] for row in rows]).all()
    with_norm = {row["step"] for row in rows if "gradient_norm" in row}
    assert with_norm == set(range(1, 41)) - {1, *skipped}, "a skipped step has none"
    assert report.losses["skipped_steps"] == count


def test_a_skipped_step_changes_neither_weights_nor_momenta_nor_averages(float16):
    before, after = (values(float16[0] / f"ckpt-{step}") for step in (2, 4))
    changed = {name.split("/.ATTRIBUTES")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert {name.rsplit("/", 1)[-1] for name in changed} <= {
        "step", "global_step", "iter", "iterations", "last_position", "save_counter", "scale", "overflows",
        "last_overflow",
    }, changed  # fmt: skip
    assert any(name.startswith("loss_scale") for name in changed)


class Poison(Callback):
    """Makes a weight infinite after the third step."""

    def before_training(self, experiment, num_steps):
        self.kernel = experiment.model.network.heat.kernel

    def after_loop(self, step, logs):
        if step == 3:
            self.kernel.assign(self.kernel * np.inf)


def test_a_loss_that_is_no_number_ends_the_run_with_its_records_as_in_float32(config, tmp_path, monkeypatch):
    monkeypatch.setattr(nan_guard, "has_quick_batch_norms", lambda: True)
    options = OFTEN | {"callbacks": [Poison()]}
    with pytest.raises(OdtkError, match="The loss became NaN or infinite at step 4") as raised:
        train(config, tmp_path / "model", num_steps=6, precision="float16", **options)
    assert "The batch of that step: " in str(raised.value)
    assert "float16 has no number above 65504" in str(raised.value)
    assert f"{QUICK_BATCH_NORMS}=0 in the environment shows whether" in str(raised.value)


def test_a_resumed_run_goes_on_bit_by_bit(float16, config, tmp_path):
    shutil.copytree(float16[0], tmp_path / "model", ignore=shutil.ignore_patterns("ckpt-40.*"))
    (tmp_path / "model/checkpoint").write_text('model_checkpoint_path: "ckpt-38"')
    assert train(config, tmp_path / "model", num_steps=40, precision="float16", **OFTEN).first_step == 38
    ours, theirs = values(tmp_path / "model/ckpt-40"), values(float16[0] / "ckpt-40")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if not name.startswith("save_counter"):
            np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_each_precision_resumes_the_checkpoints_of_each(config, tmp_path, monkeypatch):
    monkeypatch.setenv(QUICK_BATCH_NORMS, "")  # and whatever the run sets it to is undone
    monkeypatch.delenv(QUICK_BATCH_NORMS)
    folder, kinds = tmp_path / "model", []
    for step, precision in enumerate(["float32", "float16", "bfloat16", "float32"], start=1):
        lines = []
        report = train(config, folder, num_steps=2 * step, precision=precision, log=lines.append, **OFTEN)
        assert (report.first_step, report.last_step) == (2 * step - 2, 2 * step)
        assert not [line for line in lines if "start from scratch" in line]
        found = values(folder / f"ckpt-{2 * step}")
        scale = {name: found.pop(name) for name in list(found) if name.startswith("loss_scale/")}
        assert bool(scale) == (precision == "float16")
        assert (QUICK_BATCH_NORMS in os.environ) == (step >= 3), "cuDNN's quick batch norms are bfloat16's alone"
        kinds.append({name: (np.asarray(value).dtype, np.shape(value)) for name, value in found.items()})
    assert all(each == kinds[0] for each in kinds)
    sessions = read_run(folder)["sessions"]
    assert [each["skipped_steps"] for each in sessions] == [None, 2, None, None]
