"""A process that is killed at any moment of a save, and a save that fails: what is left, and the next start."""

import os
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from small_checkpoints import make_model_dir

from odtk.checkpoints.manager import CheckpointManager
from odtk.checkpoints.model_dir import prepare_to_resume
from odtk.checkpoints.state_file import read_state, write_state

DATA, INDEX, TEMP = "data-00000-of-00001", "index", "ckpt-11_temp"
PART = f"{TEMP}/part-00000-of-00001"


class Save:
    """The operations of TensorFlow's manager when it saves ckpt-11 and keeps 3 checkpoints, in their order."""

    def __init__(self, folder: Path, source: Path):
        self.folder = folder
        self.data, self.index = ((source / f"ckpt-10.{end}").read_bytes() for end in (DATA, INDEX))

    def operations(self):
        write, rename = self.write, self.rename
        yield "the temporary folder is made", (self.folder / TEMP).mkdir
        yield "the data is being written", lambda: write(f"{PART}.{DATA}.tempstate82465520", self.data[:9])
        yield "the data is written", lambda: rename(f"{PART}.{DATA}.tempstate82465520", f"{PART}.{DATA}")
        yield "the index is being written", lambda: write(f"{PART}.{INDEX}.tempstate1131660", self.index[:9])
        yield "the index is written", lambda: rename(f"{PART}.{INDEX}.tempstate1131660", f"{PART}.{INDEX}")
        yield "the data is in place", lambda: write(f"ckpt-11.{DATA}", self.data)
        yield "its part is gone", (self.folder / f"{PART}.{DATA}").unlink
        yield "the last index is created", lambda: write("ckpt-11.index", b"")
        yield "the last index is half written", lambda: write("ckpt-11.index", self.index[: len(self.index) // 2])
        yield "the last index is written", lambda: write("ckpt-11.index", self.index)
        yield "the first index is removed", (self.folder / f"{PART}.{INDEX}").unlink
        yield "the temporary folder is removed", (self.folder / TEMP).rmdir
        yield "the list is half written", lambda: write(f"checkpoint.tmp{'a' * 32}", b"model_checkpoint")
        yield "the list is written", lambda: (self.remove(f"checkpoint.tmp{'a' * 32}"), self.list())
        yield "the index of the oldest is removed", lambda: self.remove("ckpt-8.index")
        yield "the data of the oldest is removed", lambda: self.remove(f"ckpt-8.{DATA}")

    def write(self, name, content):
        (self.folder / name).write_bytes(content)

    def rename(self, source, target):
        (self.folder / source).rename(self.folder / target)

    def remove(self, name):
        (self.folder / name).unlink(missing_ok=True)

    def list(self):
        before = dict.fromkeys(read_state(self.folder).listed, 1.0)
        write_state(self.folder, before | {"ckpt-11": 2.0})


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    make_model_dir(folder)
    return folder


def manager(folder, keep=3) -> CheckpointManager:
    step = tf.Variable(0, dtype=tf.int64)
    made = CheckpointManager(
        tf.train.Checkpoint(step=step), str(folder), keep, step_counter=step, checkpoint_interval=1
    )
    made.restore_or_initialize()
    return made


def save_at(made: CheckpointManager, step: int):
    made.checkpoint.step.assign(step)
    return made.save(checkpoint_number=step)


def names(folder) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def files_of(*numbers) -> list[str]:
    return sorted([f"ckpt-{number}.{end}" for number in numbers for end in (DATA, INDEX)] + ["checkpoint"])


@pytest.mark.parametrize("earlier", [True, False])
def test_a_kill_after_any_operation_leaves_a_folder_that_resumes(whole, tmp_path, earlier):
    folder = tmp_path / "model"
    shutil.copytree(whole, folder) if earlier else folder.mkdir()
    saved = False
    for moment, operation in Save(folder, whole).operations():
        operation()
        saved = saved or moment == "the last index is written"
        if moment == "the index of the oldest is removed" and not earlier:
            break
        killed = Path(shutil.copytree(folder, tmp_path / "killed"))
        prefix = prepare_to_resume(killed, lambda line: None)
        assert prefix == (str(killed / f"ckpt-{11 if saved else 10}") if saved or earlier else None), moment
        kept = [8, 9, 10] * earlier + [11] * saved
        assert set(names(killed)) <= set(files_of(*kept)), f"leftovers after: {moment}"
        save_at(manager(killed), 12)
        assert names(killed) == files_of(*[*kept, 12][-3:]), moment
        shutil.rmtree(killed)
    assert saved


@pytest.mark.parametrize("obstacle", [TEMP, f"ckpt-11.{DATA}", "ckpt-11.index"])
def test_a_save_that_fails_leaves_nothing_behind_and_can_be_tried_again(whole, tmp_path, obstacle):
    """Each obstacle has another operation of TensorFlow's fail, by a file or a folder where it expects the other."""
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    made, before = manager(folder), names(folder)
    if obstacle == TEMP:
        (folder / obstacle).touch()
    else:
        (folder / obstacle / "inside").mkdir(parents=True)
    with pytest.raises(tf.errors.OpError):
        save_at(made, 11)
    assert names(folder) == sorted([*before, obstacle])
    assert read_state(folder).newest == "ckpt-10"
    os.unlink(folder / obstacle) if obstacle == TEMP else shutil.rmtree(folder / obstacle)
    assert save_at(made, 11) == str(folder / "ckpt-11")
    assert names(folder) == files_of(9, 10, 11)


def test_a_list_that_cannot_be_written_does_not_lose_the_checkpoint(whole, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    made = manager(folder)
    record = made._record_state

    def fail():
        raise OSError("the drive is gone")

    monkeypatch.setattr(made, "_record_state", fail)
    with pytest.raises(OSError, match="drive is gone"):
        save_at(made, 11)
    monkeypatch.setattr(made, "_record_state", record)
    assert prepare_to_resume(folder, lambda line: None) == str(folder / "ckpt-11")
    assert save_at(made, 11) == str(folder / "ckpt-11")
    assert names(folder) == files_of(9, 10, 11)


def test_a_step_is_saved_once(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    made = manager(folder)
    assert save_at(made, 10) is None, "resumed from it"
    assert save_at(made, 11)
    written = (folder / "ckpt-11.index").stat().st_mtime_ns
    assert save_at(made, 11) is None
    assert (folder / "ckpt-11.index").stat().st_mtime_ns == written


def test_tensorflow_saves_in_the_order_that_is_assumed_here(tmp_path, monkeypatch):
    """What Python can see of it: the data and the index are in place, and nothing temporary is left, when it lists."""
    made, seen = manager(tmp_path, keep=1), []
    record = made._record_state
    monkeypatch.setattr(made, "_record_state", lambda: (seen.append(names(tmp_path)), record()))
    save_at(made, 1)
    save_at(made, 2)
    one, two = ([f"ckpt-{number}.{end}" for end in (DATA, INDEX)] for number in (1, 2))
    assert seen == [one, ["checkpoint", *one], ["checkpoint", *one, *two], ["checkpoint", *two]]
    assert not [name for name in names(tmp_path) if re.search("temp|tmp", name)]
