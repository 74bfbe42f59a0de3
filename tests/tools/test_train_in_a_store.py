"""A model dir in an object store, from training to export: TensorFlow's file system in memory stands in for it."""

import json

import fake_detector
import pytest
import tensorflow as tf
from inspected_records import write
from PIL import Image

from odtk import files
from odtk.detectors import families
from odtk.errors import OutputError
from odtk.tools.evaluate import evaluate
from odtk.tools.export import export
from odtk.tools.train import train
from odtk.training.callbacks.callback import Callback
from odtk.training.loggers.csv_files import read_evaluations, read_metrics

MODEL_DIR = "ram://bucket/models/fake"


class Watch(Callback):
    """A second run that is started meanwhile; what it is refused with."""

    def __init__(self, config):
        self.config, self.said = config, None

    def after_loop(self, step, logs):
        if self.said is None:
            with pytest.raises(OutputError) as caught:
                train(self.config, MODEL_DIR)
            self.said = str(caught.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The config, the reports of a run and its continuation, and what a second one was told."""
    folder, reports = tmp_path_factory.mktemp("store"), []
    config = fake_detector.write_config(folder, write(folder / "records"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "MODULES", (*families.MODULES, "fake_detector"))
        families._families.cache_clear()
        watch, said = Watch(config), []
        for num_steps in (2, 4):
            options = {"checkpoint_every": 1, "keep": 2, "eval_every": 2, "log_every": 1, "seed": 1}
            reports.append(train(config, MODEL_DIR, num_steps=num_steps, callbacks=[watch], log=said.append, **options))
        yield config, reports, watch.said, said
    families._families.cache_clear()
    tf.io.gfile.rmtree("ram://bucket")


def test_a_run_goes_on_where_it_ended(trained):
    _, (first, second), _, said = trained
    assert (first.last_step, second.first_step, second.last_step) == (2, 2, 4)
    assert f"Resuming from {MODEL_DIR}/ckpt-2, step 2." in said
    assert second.checkpoint == f"{MODEL_DIR}/ckpt-4"


def test_the_folder_has_what_a_local_one_has(trained):
    names = files.names_in(MODEL_DIR)
    assert set(names) >= {
        *("pipeline.config", "label_map.pbtxt", "run.json", "checkpoint", "metrics.csv", "evaluations.csv"),
        *("ckpt-3.index", "ckpt-4.index", "ckpt-4.data-00000-of-00001", "train", "best", "results.png"),
    }
    assert "ckpt-2.index" not in names
    assert not [name for name in tf.io.gfile.listdir(MODEL_DIR) if name.startswith(".odtk")]
    assert [row["step"] for row in read_metrics(MODEL_DIR)] == [1, 2, 3, 4]
    assert [row["step"] for row in read_evaluations(MODEL_DIR)] == [2, 4]
    assert len(json.loads(files.read_text(f"{MODEL_DIR}/run.json"))["sessions"]) == 2
    (picture,) = [name for name in files.names_in(f"{MODEL_DIR}/batches") if name == "first.png"]
    with tf.io.gfile.GFile(f"{MODEL_DIR}/batches/{picture}", "rb") as file:
        Image.open(file).verify()


def test_its_events_are_read(trained):
    steps = {
        (run, event.step)
        for run in ("train", "eval")
        for name in filter(_is_of_events, files.names_in(f"{MODEL_DIR}/{run}"))
        for event in tf.compat.v1.train.summary_iterator(f"{MODEL_DIR}/{run}/{name}")
        if event.summary.value
    }
    assert steps >= {("train", step) for step in (1, 2, 3, 4)} | {("eval", 2), ("eval", 4)}


def test_a_second_run_is_refused(trained):
    assert f"is writing to {MODEL_DIR}. Wait for it" in trained[2]


def test_it_is_evaluated_and_exported(trained, tmp_path):
    config, *_ = trained
    last = evaluate(config, MODEL_DIR, "last")
    assert last.checkpoint == f"{MODEL_DIR}/ckpt-4"
    assert json.loads(files.read_text(last.metrics_path)) == pytest.approx(last.metrics)
    assert last.metrics_path == f"{MODEL_DIR}/eval/metrics.json"
    for name, value in read_evaluations(MODEL_DIR)[-1].items():
        assert name not in last.metrics or last.metrics[name] == pytest.approx(value)
    best = evaluate(config, MODEL_DIR, report=False)
    assert best.checkpoint.startswith(f"{MODEL_DIR}/best/ckpt-")
    exported = export(config, MODEL_DIR, tmp_path / "exported", verify=1)
    assert exported.checkpoint == best.checkpoint
    assert exported.label_map == f"{MODEL_DIR}/label_map.pbtxt"
    assert (tmp_path / "exported/label_map.pbtxt").read_bytes() == files.read_bytes(exported.label_map)


def _is_of_events(name):
    return name.startswith("events.")
