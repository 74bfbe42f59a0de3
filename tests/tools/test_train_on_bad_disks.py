"""Training into folders that are full, read-only, removed, or away for a while; with the fake detector, in seconds."""

import functools
import os
import re
import resource
import shutil
import signal
import subprocess
from collections import Counter
from types import SimpleNamespace

import fake_detector
import pytest
import tensorflow as tf
from inspected_records import write
from small_disk import small_disk

from odtk import retrying
from odtk.checkpoints.reader import CheckpointReader
from odtk.detectors import families
from odtk.errors import OutputError
from odtk.tools.train import train, worker_runs
from odtk.tools.train.explained_write_errors import little_space
from odtk.training.callbacks.callback import Callback

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disks")
    path = fake_detector.write_config(folder, write(folder / "records"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "MODULES", (*families.MODULES, "fake_detector"))
        families._families.cache_clear()
        yield path
    families._families.cache_clear()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


class At(Callback):
    """Calls a function after the loop of a step."""

    def __init__(self, step, do):
        self.step, self.do = step, do

    def after_loop(self, step, logs):
        if step == self.step:
            self.do()


def run(config, model_dir, *callbacks, **options):
    settings = {"num_steps": 4, "log_every": 1, "checkpoint_every": 2, "eval_every": 0, "seed": 1} | options
    return train(config, model_dir, callbacks=list(callbacks), **settings)


def failure(config, model_dir, *callbacks, **options) -> str:
    """The paragraph that a run ends with."""
    with pytest.raises(OutputError) as caught:
        run(config, model_dir, *callbacks, **options)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert said.count("cannot be") <= 1
    return said


def fill(disk):
    (disk / "fill").write_bytes(bytes(shutil.disk_usage(disk).free))


def logged_steps(model_dir) -> Counter:
    """How often each step has a total loss in the events."""
    return Counter(
        event.step
        for path in (model_dir / "train").glob("events.*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "Loss/total_loss"
    )


def step_of(said: str, folder) -> int:
    """Of the checkpoint that the paragraph says was saved in a temporary folder."""
    (place,) = re.findall(rf"saved in ({folder}/\S+)\. To go on from there: mv ", said)
    reader = CheckpointReader(tf.train.latest_checkpoint(place))
    reader.verify()
    return reader.step


def test_a_drive_that_is_away_for_a_while_does_not_end_the_run(config, tmp_path, monkeypatch):
    model_dir, away, waits, said = tmp_path / "model", tmp_path / "away", [], []

    def sleep(seconds):
        waits.append(seconds)
        assert not model_dir.exists()
        if len(waits) == 3:
            away.rename(model_dir)

    monkeypatch.setattr(worker_runs, "Retrying", functools.partial(retrying.Retrying, sleep=sleep))
    run(config, model_dir, At(2, lambda: model_dir.rename(away)), log=said.append)
    assert waits == [1, 2, 4]
    assert [line for line in said if "model is not reachable" in line or "is back" in line] == [
        f"The folder {model_dir} is not reachable (there is no such file or folder); trying again for 5 minutes.",
        f"The folder {model_dir} is back.",
    ]
    assert logged_steps(model_dir) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert sorted(path.name for path in model_dir.glob("ckpt-*.index")) == ["ckpt-2.index", "ckpt-4.index"]


def test_a_checkpoint_is_saved_again_after_an_error_of_the_drive(config, tmp_path, monkeypatch):
    saved, real = [], tf.train.Checkpoint._write

    def fail_once(checkpoint, prefix, **options):
        saved.append(os.path.basename(prefix))
        if len(saved) == 1:
            os.makedirs(f"{prefix}_temp")
            raise tf.errors.UnknownError(None, None, f"{prefix}_temp/part; Transport endpoint is not connected")
        return real(checkpoint, prefix, **options)

    monkeypatch.setattr(tf.train.Checkpoint, "_write", fail_once)
    monkeypatch.setattr(worker_runs, "Retrying", functools.partial(retrying.Retrying, sleep=lambda seconds: None))
    run(config, tmp_path / "model")
    assert saved == ["ckpt-2", "ckpt-2", "ckpt-4"]
    reader = CheckpointReader(tmp_path / "model/ckpt-4")
    assert reader.value("save_counter/.ATTRIBUTES/VARIABLE_VALUE") == 2
    assert not list((tmp_path / "model").glob("*_temp"))


def test_a_removed_model_dir_ends_the_run_and_the_weights_are_kept(config, tmp_path, temporary, monkeypatch):
    model_dir = tmp_path / "model"
    monkeypatch.setattr(
        worker_runs, "Retrying", functools.partial(retrying.Retrying, patience=10, sleep=lambda seconds: None,
                                                    clock=iter(range(0, 1000, 3)).__next__))  # fmt: skip
    said = failure(config, model_dir, At(3, lambda: shutil.rmtree(model_dir)), eval_every=2)
    assert said.startswith(
        f"The folder {model_dir} is not reachable (there is no such file or folder); it was tried for 10 seconds. "
        "The last checkpoint saved there is of step 2."
    )
    assert step_of(said, temporary) == 3
    assert f" && odtk train {config} {model_dir} --num-steps 4" in said
    assert not model_dir.exists()


def test_a_disk_that_is_full_at_a_checkpoint_loses_nothing(config, tmp_path, temporary):
    with small_disk(tmp_path / "disk") as disk:
        model_dir = disk / "model"
        said = failure(config, model_dir, At(4, lambda: fill(disk)), log_every=100)
        assert said.startswith(f"{model_dir} cannot be written: no space is left on its disk. Free some space")
        assert f"A checkpoint needs about 1.1 kB, and the disk of {model_dir} has 0 bytes free." in said
        assert "The last checkpoint saved there is of step 2." in said
        assert step_of(said, temporary) == 4
        CheckpointReader(model_dir / "ckpt-2").verify()
        assert sorted(path.name for path in model_dir.glob("ckpt-*")) == [
            "ckpt-2.data-00000-of-00001", "ckpt-2.index",
        ]  # fmt: skip
        # What the paragraph advises.
        (disk / "fill").unlink()
        (move,) = re.findall("go on from there: (mv .*) && odtk train", said)
        subprocess.run(move, shell=True, check=True)
        assert run(config, model_dir, num_steps=5).first_step == 4


def test_a_disk_that_is_full_at_other_files_loses_nothing(config, tmp_path, temporary):
    with small_disk(tmp_path / "disk") as disk:
        said = failure(config, disk / "model", At(1, lambda: fill(disk)), num_steps=300, checkpoint_every=1000)
        assert f"{disk}/model" in said
        assert "cannot be written: no space is left on its disk." in said
        assert "There is no checkpoint yet." in said
        assert 1 <= step_of(said, temporary) < 300


def test_a_write_that_fails_half_way_is_no_checkpoint(config, tmp_path, temporary):
    """As on a file system that is full after so many bytes, here and where temporary files are."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = At(4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1])))
    try:
        said = failure(config, tmp_path / "model", limit, log_every=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert f"{tmp_path}/model cannot be written: the file is larger than its file system allows." in said
    assert "The weights of step 4 could not be saved elsewhere, either. To go on: odtk train" in said
    assert {path.name.split(".")[0] for path in (tmp_path / "model").glob("ckpt-*")} == {"ckpt-2"}
    assert os.listdir(temporary) == []


def test_a_file_alone_that_cannot_be_written_leaves_the_checkpoint_where_it_belongs(
    config, tmp_path, temporary, monkeypatch
):
    def fail():
        raise PermissionError(13, "Permission denied", str(tmp_path / "model/results.png"))

    monkeypatch.chdir(tmp_path)
    said = failure(config, "model", At(3, fail))
    assert said.startswith(f"{tmp_path}/model/results.png cannot be used: permission denied.")
    assert (
        "The last checkpoint saved there is of step 2. The weights of step 3 are saved in it. To go on: odtk train"
        in said
    )
    assert CheckpointReader(tmp_path / "model/ckpt-3").step == 3
    assert os.listdir(temporary) == []


def test_a_disk_that_becomes_read_only_is_said(config, tmp_path, temporary, monkeypatch):
    real = tf.train.Checkpoint._write

    def refuse(checkpoint, prefix, *args, **options):
        if prefix.startswith(str(temporary)):
            return real(checkpoint, prefix, *args, **options)
        raise tf.errors.FailedPreconditionError(None, None, f"{prefix}_temp; Read-only file system")

    monkeypatch.setattr(tf.train.Checkpoint, "_write", refuse)
    said = failure(config, tmp_path / "model")
    assert said.startswith(f"{tmp_path}/model cannot be written: its file system is read-only.")
    assert "There is no checkpoint yet." in said
    assert step_of(said, temporary) == 2


def test_a_read_only_model_dir_is_refused_before_anything_else(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        said = failure(tmp_path / "no.config", disk / "model")
    assert said == (
        f"{disk}/model cannot be written: its file system is read-only. Choose a path that is writable. Nothing was "
        "written."
    )


def test_too_little_space_is_said_in_time(tmp_path):
    experiment = SimpleNamespace(info=SimpleNamespace(model_dir=str(tmp_path)))
    experiment.checkpoints = SimpleNamespace(checkpoints=["ckpt-1", "ckpt-2"])
    experiment.trainer = SimpleNamespace(checkpoint_bytes=lambda: 10**15)
    warning = little_space(experiment, keep=7)
    assert re.search(r"free, but 6 more checkpoints need 6000000\.0 GB\. Free some space, or keep fewer", warning)
    experiment.trainer.checkpoint_bytes = lambda: 1
    assert little_space(experiment, keep=7) is None
