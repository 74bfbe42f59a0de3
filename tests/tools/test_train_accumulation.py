"""Runs in micro-batches beside one in whole batches, on the fake detector, which has no batch norms."""

import csv
import gc
import json
import shutil
from types import SimpleNamespace

import fake_detector
import numpy as np
import pytest
import tensorflow as tf
from fake_detector import FakeDetector
from inspected_records import write

from odtk import hardware, pipeline
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import OdtkError
from odtk.hardware import GPU, Device
from odtk.tools.train import train
from odtk.training.callbacks.callback import Callback

pytestmark = pytest.mark.usefixtures("no_pictures")

STEPS = 4
SETS = [
    ("train_config.batch_size", "6"),
    ("train_config.gradient_clipping_by_norm", "0.5"),
    ("train_config.optimizer.use_moving_average", "true"),
]


def count_detectors():
    gc.collect()
    return sum(type(each) is FakeDetector for each in gc.get_objects())  # some objects fail when they are asked more


class Seen(Callback):
    """What a run's objects hold when it begins and when it ends."""

    def before_training(self, experiment, num_steps):
        self.experiment, self.detectors = experiment, count_detectors()

    def at_end(self, error):
        self.input_batches = self.experiment.trainer._wait.read()[1]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """`start(name, **options)`: (weights and slots by their keys, lines said, model dir, Seen) of a run."""
    folder = tmp_path_factory.mktemp("accumulated")
    config = fake_detector.write_config(folder, write(folder / "records"))
    config.write_text(pipeline.set_fields(config.read_text(), SETS, "c"))

    def start(name, config=config, **options):
        said, seen = [], Seen()
        options = {"num_steps": STEPS, "log_every": 1, "eval_every": 0, "seed": 1, **options}
        report = train(config, folder / name, log=said.append, callbacks=[seen], **options)
        reader = CheckpointReader(report.checkpoint)
        names = [name for name, _ in tf.train.list_variables(report.checkpoint) if "OBJECT_GRAPH" not in name]
        values = {name: reader.value(name) for name in names if not name.startswith("save_counter")}
        return SimpleNamespace(values=values, said=said, folder=folder / name, seen=seen, config=config)

    with fake_detector.registered():
        yield start


@pytest.fixture(scope="module")
def whole(started):
    return started("whole")


@pytest.fixture(scope="module")
def parts(started):
    return started("parts", accumulate=3, checkpoint_every=2)


def assert_same(one, other, tolerance=1e-5):
    assert one.keys() == other.keys()
    assert len(one) > 10, "weights, momenta, averages and the step"
    for key, value in one.items():
        np.testing.assert_allclose(value, other[key], rtol=tolerance, atol=tolerance, err_msg=key)


def metrics(run):
    with (run.folder / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def session(run):
    return json.loads((run.folder / "run.json").read_text())["sessions"][-1]


def test_micro_batches_train_as_the_whole_batch_does(whole, parts):
    assert_same(parts.values, whole.values)
    assert "Batch: 6 images = 3 micro-batches of 2 on one device; learning rate 0.01 as in the config." in parts.said
    assert session(parts)["batch"] == {"images": 6, "micro_batches": 3, "replicas": 1}
    assert session(whole)["batch"] == {"images": 6, "micro_batches": 1, "replicas": 1}


def test_the_curves_are_those_of_whole_batches(whole, parts):
    ours, theirs = metrics(parts), metrics(whole)
    assert [row["step"] for row in ours] == [row["step"] for row in theirs] == [1, 2, 3, 4]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() == other.keys()
        for name in mine:
            if "sec" not in name and "time" not in name:
                assert mine[name] == pytest.approx(other[name], rel=1e-4), name
    assert (whole.seen.input_batches, parts.seen.input_batches) == (STEPS, 3 * STEPS)


def test_a_run_in_micro_batches_resumes_bit_for_bit(started, parts):
    folder = parts.folder.with_name("resumed")
    shutil.copytree(parts.folder, folder, ignore=shutil.ignore_patterns("ckpt-4.*"))
    (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-2"')
    again = started("resumed", accumulate=3)
    assert any(line.startswith("Resuming from") and line.endswith("step 2.") for line in again.said)
    for key, value in again.values.items():
        np.testing.assert_array_equal(value, parts.values[key], err_msg=key)


@pytest.fixture
def small_device(monkeypatch):
    """`small_device.limit`: the number of images of which one more does not fit; from the step `since` on."""
    device = SimpleNamespace(limit=2, since=0, calls=0, when_training=True)
    predict = FakeDetector.predict

    def allocate(images):
        device.calls += 1
        if images > device.limit and device.calls > device.since:
            raise MemoryError("OOM when allocating tensor")  # which TensorFlow makes its ResourceExhaustedError
        return images

    def limited(self, images, true_image_shapes, training=False, groundtruth=None):
        if training == device.when_training:
            number = tf.numpy_function(allocate, [tf.shape(images)[0]], tf.int32)
            with tf.control_dependencies([number]):
                images = tf.identity(images)
        return predict(self, images, true_image_shapes, training, groundtruth)

    monkeypatch.setattr(FakeDetector, "predict", limited)
    return device


def test_a_step_that_runs_out_of_memory_is_tried_again_in_smaller_parts(started, parts, small_device):
    run = started("small")
    assert_same(run.values, parts.values)
    assert [line for line in run.said if "Out of memory" in line] == [
        "warning: Out of memory in step 1. It is tried again with 2 micro-batches of 3 instead of 1 of 6 images.",
        "warning: Out of memory in step 1. It is tried again with 6 micro-batches of 1 instead of 2 of 3 images.",
    ]
    assert session(run)["batch"]["micro_batches"] == 6


def test_what_was_trained_before_is_kept(started, whole, small_device):
    small_device.since, small_device.limit = 2, 3
    run = started("later")
    assert_same(run.values, whole.values)
    assert [row["step"] for row in metrics(run)] == [1, 2, 3, 4]
    assert [line[:37] for line in run.said if "Out of memory" in line] == ["warning: Out of memory in step 3. It "]


def test_one_image_that_does_not_fit_ends_the_run(started, small_device):
    small_device.limit = 0
    with pytest.raises(OdtkError, match="although each device computes one image at a time"):
        started("none")


def test_an_evaluation_that_does_not_fit_is_told_from_training(started, small_device):
    small_device.when_training = False
    with pytest.raises(OdtkError, match=r"Out of memory while evaluating .* --set eval_config\.batch_size=2"):
        started("unmeasured", eval_every=1)


def test_trials_leave_nothing_behind_in_the_run(started, whole, monkeypatch):
    before = count_detectors()
    monkeypatch.setattr(hardware, "list_gpus", lambda: [Device(GPU)])  # which is not used, and so hidden
    run = started("found", batch_size="auto", devices="cpu")
    assert "A CPU trains larger batches no faster, so the batch is not larger than the config's 6." in run.said
    assert run.seen.detectors == before + 1, "the trials' own model is freed"
    assert any("by trial steps on drawn data" in line for line in run.said)
    for key, value in run.values.items():
        np.testing.assert_array_equal(value, whole.values[key], err_msg=key)


def test_images_of_several_sizes_train_one_by_one(started, whole, tmp_path):
    config = tmp_path / "pipeline.config"
    kept = "model.center_net.image_resizer.keep_aspect_ratio_resizer"
    sizes = [(f"{kept}.min_dimension", "32"), (f"{kept}.max_dimension", "48")]
    config.write_text(pipeline.set_fields(whole.config.read_text(), [*sizes, ("eval_config.batch_size", "1")], "c"))
    with pytest.raises(OdtkError, match="except in micro-batches of 1: `odtk train --accumulate 6`"):
        started("refused", config)
    with pytest.raises(OdtkError, match="makes batches of 2 images"):
        started("refused", config, accumulate=3)
    run = started("sizes", config, accumulate=6, num_steps=2)
    assert all(np.isfinite(value).all() for value in run.values.values())
