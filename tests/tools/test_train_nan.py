"""A loss or weights that become NaN or infinite: what is kept and said, and how training goes on with half the rate."""

import errno
import functools
import json
import re
from pathlib import Path

import fake_detector
import numpy as np
import pytest
import tf_keras
from inspected_records import write
from PIL import Image

from odtk import retrying
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import OdtkError
from odtk.records import example, shards
from odtk.tools.train import train, worker_runs
from odtk.training.callbacks import nan_guard
from odtk.training.callbacks.callback import Callback
from odtk.training.halvings import Halving, read_halvings, write_halvings
from odtk.training.loggers.csv_files import read_evaluations, read_metrics

pytestmark = pytest.mark.usefixtures("no_pictures")

FINE = "All weights, outputs of layers, losses and gradients are finite."
RATE = 0.01  # in fake_detector.CONFIG
OFTEN = {"checkpoint_every": 2, "log_every": 1, "eval_every": 0, "seed": 1}


class Poison(Callback):
    """Makes a weight infinite after the given steps, once after each or every time."""

    def __init__(self, *steps, always=False):
        self.steps, self.always, self.weights, self.losses = list(steps), always, [], []

    def before_training(self, experiment, num_steps):
        self.kernel = experiment.model.network.heat.kernel
        self.note()

    def note(self):
        self.weights.append(self.kernel.numpy())

    def after_loop(self, step, logs):
        self.losses.append((step, logs["Loss/total_loss"]))
        if step in self.steps:
            if not self.always:
                self.steps.remove(step)
            self.kernel.assign(self.kernel * np.inf)

    def after_going_back(self, step):
        self.note()


@pytest.fixture(scope="module", autouse=True)
def registered():
    with fake_detector.registered():
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    return fake_detector.write_config(folder, write(folder / "records"))


@pytest.fixture(scope="module")
def slowed(config, tmp_path_factory):
    """Seven steps; the sixth had no finite loss, and after the last one the weights were not finite."""
    model_dir, lines, poison = tmp_path_factory.mktemp("slowed") / "model", [], Poison(5, 7)
    report = train(config, model_dir, num_steps=7, on_nan="lower-rate", log=lines.append, callbacks=[poison], **OFTEN)
    return model_dir, report, lines, poison.losses


def test_training_goes_on_from_the_last_checkpoint_with_half_the_rate(slowed):
    model_dir, report, lines, _ = slowed
    assert (report.last_step, report.is_early) == (7, False)
    assert np.isfinite(report.losses["Loss/total_loss"])
    assert read_halvings(model_dir, 7) == [Halving(failed_at=6, went_on_from=4), Halving(failed_at=7, went_on_from=6)]
    (warning,) = [line for line in lines if "NaN or infinite at step 6" in line and line.startswith("warning: ")]
    assert "Training goes on from the weights of ckpt-4, with 0.5 of the config's learning rate; 2 more" in warning
    assert any(
        "NaN or infinite, which was seen when they were to be saved or evaluated, at step 7" in line for line in lines
    )
    assert any(line.startswith("note: the loss became NaN or infinite at steps 6, 7, so") for line in lines)
    assert sorted(path.stem for path in model_dir.glob("*.index")) == ["ckpt-2", "ckpt-4", "ckpt-6", "ckpt-7"]


def test_what_was_logged_after_that_checkpoint_is_logged_again_not_twice(slowed):
    rows = read_metrics(slowed[0])
    assert [row["step"] for row in rows] == list(range(1, 8))
    # The rate in a row is the next step's.
    assert [row["learning_rate"] for row in rows] == pytest.approx([RATE] * 4 + [RATE / 2] * 2 + [RATE / 4])


def test_it_goes_on_with_the_data_that_a_resumed_run_would_read(slowed):
    """Of step 5 both losses are those of one batch with the weights of ckpt-4; the rate does not matter yet."""
    before, after = [loss for step, loss in slowed[3] if step == 5]
    assert before == pytest.approx(after, rel=1e-6)
    # The same step with another batch.
    assert before != pytest.approx(dict(slowed[3])[6], rel=1e-3)


def test_the_batch_is_kept_with_its_records(slowed, config):
    folder = slowed[0] / "nan"
    with Image.open(folder / "batch.png") as picture:
        assert len(set(picture.getdata())) > 100, "photos are drawn"
    report = (folder / "report.txt").read_text()
    assert "NaN or infinite at step 6" in report
    assert "Loss/total_loss: nan" in report
    named = re.findall(r"^  (\S+) \((\S+), record (\d+)\)$", report, re.MULTILINE)
    assert len(named) == 2, "the batch size"
    for image, file, record in named:
        assert example.decode(list(shards.read_records(file))[int(record)]).source_id == image
    assert f"with the weights of ckpt-4: {FINE}" in report
    # The test made a weight infinite, which training again does not.
    assert f"Trained again to step 5, with the same data: {FINE}" in report


def test_a_resumed_run_keeps_the_lower_rate_and_says_why(slowed, config):
    lines = []
    report = train(config, slowed[0], num_steps=8, log=lines.append, callbacks=[], **OFTEN)
    assert report.losses["learning_rate"] == pytest.approx(RATE / 4)
    assert any("the learning rate is 0.25 of the config's. Remove" in line for line in lines)


def test_weights_that_are_not_finite_are_never_saved(config, tmp_path):
    with pytest.raises(OdtkError, match=r"Weights became NaN or infinite, which was seen .* at step 4") as error:
        train(config, tmp_path / "model", num_steps=6, callbacks=[Poison(4)], **OFTEN)
    assert [path.stem for path in (tmp_path / "model").glob("*.index")] == ["ckpt-2"]
    assert "The next run goes on from the weights of ckpt-2." in str(error.value)
    assert error.value.argument == "on_nan"


def test_weights_that_are_not_finite_are_not_measured_or_kept_as_the_best(config, tmp_path):
    model_dir, often = tmp_path / "model", OFTEN | {"eval_every": 3}
    train(config, model_dir, num_steps=4, on_nan="lower-rate", callbacks=[Poison(3)], **often)
    assert read_halvings(model_dir, 4) == [Halving(3, 2)]
    rows = read_evaluations(model_dir)
    assert [row["step"] for row in rows] == [3, 4]
    assert all(np.isfinite(row["Loss/total_loss"]) for row in rows)


def test_a_drive_that_is_away_when_the_rate_is_halved_changes_nothing(config, tmp_path, monkeypatch):
    """Weights are found not to be finite within the save of step 4, which must not go on with those of step 2."""
    errors = [OSError(errno.EIO, "gone")]

    def write(*arguments):
        if errors:
            raise errors.pop()
        write_halvings(*arguments)

    monkeypatch.setattr(nan_guard, "write_halvings", write)
    monkeypatch.setattr(worker_runs, "Retrying", functools.partial(retrying.Retrying, sleep=lambda seconds: None))
    options = {"num_steps": 5, "on_nan": "lower-rate", **OFTEN}
    report = train(config, tmp_path / "model", callbacks=[Poison(4)], **options)
    assert errors == []
    assert report.losses["learning_rate"] == pytest.approx(RATE / 2)
    assert CheckpointReader(tmp_path / "model" / "ckpt-4").step == 4
    assert read_halvings(tmp_path / "model", 5) == [Halving(4, 2)]


def test_the_fourth_time_ends_the_run_also_over_resumes(config, tmp_path):
    options = {"num_steps": 6, "on_nan": "lower-rate", **OFTEN}
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "model", callbacks=[Poison(3), Interrupting(going_back=True)], **options)
    assert len(read_halvings(tmp_path / "model", 2)) == 1
    lines = []
    with pytest.raises(OdtkError, match=r"halved 3 times: .* at steps 4, 4, 4, so .* 0\.125 of") as error:
        train(config, tmp_path / "model", callbacks=[Poison(3, always=True)], log=lines.append, **options)
    assert len([line for line in lines if "Training goes on from the weights of ckpt-2" in line]) == 2
    assert error.value.argument is None
    assert json.loads((tmp_path / "model" / "nan" / "rate.json").read_text())["rate_scale"] == 0.125


class Interrupting(Callback):
    """Ctrl-C at once after training went back."""

    def __init__(self, going_back):
        self.going_back = going_back

    def after_going_back(self, step):
        raise KeyboardInterrupt


def test_without_a_checkpoint_training_starts_again_with_the_weights_it_had(config, tmp_path):
    poison = Poison(1)
    report = train(config, tmp_path / "model", num_steps=2, on_nan="lower-rate", callbacks=[poison], **OFTEN)
    assert report.last_step == 2
    np.testing.assert_array_equal(*poison.weights)
    assert read_halvings(tmp_path / "model", 0) == [Halving(2, 0)]


def test_a_layer_with_an_exploding_weight_is_named(config, tmp_path, monkeypatch):
    built = fake_detector.FakeNetwork.__init__

    def explode(network, num_classes):
        built(network, num_classes)
        network.stem.bias_initializer = tf_keras.initializers.Constant(10)
        network.heat.kernel_initializer = tf_keras.initializers.Constant(3e38)

    monkeypatch.setattr(fake_detector.FakeNetwork, "__init__", explode)
    with pytest.raises(OdtkError, match="NaN or infinite at step 1 ") as error:
        train(config, tmp_path / "model", callbacks=[], **OFTEN)
    assert re.search(
        r"with the weights that training started with: The first layer whose output is not finite is conv2d_\d+ "
        r"\(Conv2D\), whose weights are up to 3e\+38: \d+ of \d+ values\.",
        str(error.value),
    )


def test_weights_that_diverge_are_found_by_training_again_to_the_step(config, tmp_path):
    wild = tmp_path / "wild.config"
    wild.write_text(config.read_text().replace(f"learning_rate: {RATE}", "learning_rate: 1e30"))
    with pytest.raises(OdtkError) as error:
        train(wild, tmp_path / "model", callbacks=[], **OFTEN)
    failed = int(re.search(r"NaN or infinite at step (\d+) ", str(error.value))[1])
    assert failed > 1
    assert FINE in str(error.value)
    assert re.search(rf"Trained again to step {failed - 1}, with the same data: The (first|outputs)", str(error.value))


def test_a_rate_file_of_others_is_refused(tmp_path):
    (tmp_path / "nan").mkdir()
    (tmp_path / "nan" / "rate.json").write_text("[1]")
    with pytest.raises(OdtkError, match=r"rate\.json is not what odtk wrote there"):
        read_halvings(tmp_path, 4)


def test_a_halving_after_the_resumed_step_did_not_happen(tmp_path):
    halvings = [Halving(6, 4), Halving(9, 8)]
    write_halvings(tmp_path, halvings)
    assert read_halvings(tmp_path, 8) == halvings
    assert read_halvings(tmp_path, 4) == halvings[:1]
    assert read_halvings(tmp_path, 2) == []
