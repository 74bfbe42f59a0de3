"""Which checkpoint is taken, and what is said, whatever state a model dir is in: to resume, evaluate and export."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from golden_cases import write_checkpoint
from small_checkpoints import make_model_dir, make_variables, save

from odtk import files
from odtk.checkpoints.manager import CheckpointManager
from odtk.checkpoints.model_dir import prepare_to_resume
from odtk.checkpoints.newest import find_checkpoint
from odtk.checkpoints.state_file import read_state, write_state
from odtk.errors import CheckpointError, DamagedCheckpointError

DATA = "data-00000-of-00001"
ONE, TWO = 'model_checkpoint_path: "%s"\n', 'all_model_checkpoint_paths: "%s"\n'


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Checkpoints of steps 8, 9 and 10."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    make_model_dir(folder)
    return folder


@pytest.fixture
def model_dir(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def remove(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def rewrite(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def state(text):
    return lambda folder: (folder / "checkpoint").write_text(text)


def all_of(*changes):
    return lambda folder: [change(folder) for change in changes]


def as_folder(name):
    def change(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return change


def as_loop(name):
    """A file that nobody can open, not even root."""

    def change(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(folder / name)

    return change


def copy(source, target):
    """A checkpoint under another number."""

    def change(folder):
        for end in ("index", DATA):
            shutil.copyfile(folder / f"{source}.{end}", folder / f"{target}.{end}")

    return change


def not_finite(folder):
    variables = make_variables(100.0)
    next(iter(variables.values())).assign(np.full((2, 3), np.nan))
    save(variables, folder / "ckpt-10", step=tf.Variable(10, dtype=tf.int64))


def flip(content):
    return bytes([*content[:30], content[30] ^ 1, *content[31:]])


def cut(content):
    return content[: len(content) // 2]


ALL = [f"ckpt-{number}.{end}" for number in (8, 9, 10) for end in ("index", DATA)]
STALE = state(ONE % "ckpt-9" + TWO % "ckpt-8" + TWO % "ckpt-9")

# What happened, the checkpoint that is used, and what is said (None: nothing).
STATES = {
    "nothing": (lambda folder: None, "ckpt-10", None),
    "killed before the file `checkpoint` was written": (remove("checkpoint"), "ckpt-10", "has no file `checkpoint`"),
    "killed before it was updated": (STALE, "ckpt-10", r"ckpt-10 is used: it was saved after .* names ckpt-9"),
    "it is empty": (state(""), "ckpt-10", "checkpoint is empty; .* by its number is .*ckpt-10"),
    "it is garbage": (state("\0\1 no text"), "ckpt-10", "checkpoint names no checkpoint; .*ckpt-10"),
    "it is binary": (rewrite("checkpoint", lambda content: bytes(range(256))), "ckpt-10", "names no checkpoint"),
    "its name feigns a message": (state(ONE % r"ckpt-9\nerror: lost" + TWO % "x"), "ckpt-10", "names no checkpoint"),
    "its name is no text": (state(ONE % r"\377\000ckpt-9" + TWO % "x"), "ckpt-10", "names no checkpoint"),
    "it is cut": (rewrite("checkpoint", lambda content: content[:20]), "ckpt-10", "names no checkpoint"),
    "it is of another machine": (state(ONE % "/content/x/ckpt-9" + TWO % "/content/x/ckpt-9"), "ckpt-10", "not there"),
    "it names what is gone": (state(ONE % "ckpt-12" + TWO % "ckpt-12"), "ckpt-10", "ckpt-12, which is not there"),
    "it has strange times": (rewrite("checkpoint", lambda text: text.replace(b".", b"e9")), "ckpt-10", None),
    "a person went back": (rewrite("checkpoint", lambda text: text.replace(b"10", b"9", 1)), "ckpt-9", "although .*10"),
    "a person wrote it": (state(ONE % "ckpt-9"), "ckpt-9", "names .*ckpt-9, which is used although .*ckpt-10 is newer"),
    "an old one was copied to a higher number": (copy("ckpt-9", "ckpt-20"), "ckpt-10", None),
    "data is cut": (rewrite(f"ckpt-10.{DATA}", cut), "ckpt-9", "ckpt-10.data.* is damaged.*ckpt-9 is used instead"),
    "data is flipped": (rewrite(f"ckpt-10.{DATA}", flip), "ckpt-9", "ckpt-10.data.* is damaged"),
    "data is empty": (rewrite(f"ckpt-10.{DATA}", lambda content: b""), "ckpt-9", "ckpt-10.data.* is damaged"),
    "the index is cut": (rewrite("ckpt-10.index", cut), "ckpt-9", r"ckpt-10.index is damaged"),
    "the index is flipped": (rewrite("ckpt-10.index", flip), "ckpt-9", r"ckpt-10.(index|data.*) is damaged"),
    "the index is empty": (rewrite("ckpt-10.index", lambda content: b""), "ckpt-9", r"ckpt-10.index is damaged"),
    "an index without data": (remove(f"ckpt-10.{DATA}"), "ckpt-9", r"incomplete: .*ckpt-10.data.* is missing"),
    "data without an index": (remove("ckpt-10.index"), "ckpt-9", r"incomplete: .*ckpt-10.index is missing"),
    "data that cannot be opened": (as_loop(f"ckpt-10.{DATA}"), "ckpt-9", r"ckpt-10.data.* is missing"),
    "a folder of its name": (lambda folder: (folder / "ckpt-10").mkdir(), "ckpt-10", None),
    "the newest is not finite": (not_finite, "ckpt-9", "already failed: .*kernel is not finite .*ckpt-9 is used"),
    "the last two are damaged": (all_of(remove("ckpt-10.index"), remove("ckpt-9.index")), "ckpt-8", "ckpt-8 is used"),
    "a checkpoint of another name": (copy("ckpt-8", "pretrained-90000"), "ckpt-10", None),
    "all are cut": (all_of(*(rewrite(name, cut) for name in ALL)), DamagedCheckpointError, "no usable checkpoint"),
}  # fmt: skip


@pytest.mark.parametrize("happened", STATES)
@pytest.mark.parametrize("choose", [prepare_to_resume, find_checkpoint])
def test_the_newest_complete_one_is_used_and_it_is_said(happened, choose, model_dir):
    change, expected, told = STATES[happened]
    change(model_dir)
    said = []
    if not isinstance(expected, str):
        with pytest.raises(expected, match=told):
            choose(model_dir, said.append)
        return
    assert choose(model_dir, said.append) == str(model_dir / expected)
    assert re.search(told, " ".join(said)) if told else said == []
    if choose is prepare_to_resume:
        assert tf.train.latest_checkpoint(model_dir) == str(model_dir / expected)
        again = []
        assert prepare_to_resume(model_dir, again.append) == str(model_dir / expected), "the same the next time"


# What a model dir without any usable checkpoint ends with: an error, or None for a start at step 0.
WITHOUT = {
    "nothing": (lambda folder: None, None, None),
    "an empty `checkpoint`": (state(""), None, "checkpoint is empty, and there is no checkpoint"),
    "garbage": (state("\0\1"), None, "names no checkpoint, and there is no checkpoint"),
    "a name from another machine": (state(ONE % "/content/x/ckpt-9"), CheckpointError, "Copy its files .ckpt-9.index"),
    "the name of a lost one": (state(ONE % "ckpt-9"), CheckpointError, "names the checkpoint ckpt-9, but .* remove"),
    "a folder `checkpoint`": (as_folder("checkpoint"), CheckpointError, "is a folder, .* exported model"),
    "a folder as data": (as_folder(f"ckpt-5.{DATA}"), CheckpointError, "ckpt-5.data-.* is a folder"),
    "a folder ckpt-5.index": (as_folder("ckpt-5.index"), CheckpointError, "ckpt-5.index is a folder"),
    "half a copy": (lambda folder: (folder / f"ckpt-5.{DATA}").touch(), CheckpointError, "index is missing"),
    "a checkpoint of another name": (lambda folder: save(make_variables(), folder / "pretrained-0"), None, None),
}  # fmt: skip


@pytest.mark.parametrize("happened", WITHOUT)
def test_a_folder_without_a_usable_one_starts_at_step_0_or_ends_in_one_paragraph(happened, tmp_path):
    change, expected, told = WITHOUT[happened]
    change(tmp_path)
    said = []
    if expected is None:
        assert prepare_to_resume(tmp_path, said.append) is None
        assert re.search(told, " ".join(said)) if told else said == []
        manager(tmp_path)  # TensorFlow's does not fail either
    else:
        with pytest.raises(expected, match=told):
            prepare_to_resume(tmp_path, said.append)


def manager(folder, keep=3) -> CheckpointManager:
    step = tf.Variable(0, dtype=tf.int64)
    trackable = tf.train.Checkpoint(**{"step": step, "global_step": step})
    made = CheckpointManager(trackable, str(folder), keep, step_counter=step, checkpoint_interval=1)
    made.restore_or_initialize()
    return made


def save_at(made: CheckpointManager, step: int):
    made.checkpoint.step.assign(step)
    return made.save(checkpoint_number=step)


def test_a_tensorflow_1_checkpoint_is_named(tmp_path):
    write_checkpoint(str(tmp_path / "model.ckpt-5"), {"conv/weights": np.zeros(3, np.float32)}, object_graph=None)
    state(ONE % "model.ckpt-5" + TWO % "model.ckpt-5")(tmp_path)
    for choose in (prepare_to_resume, find_checkpoint):
        with pytest.raises(CheckpointError, match=r"model\.ckpt-5 .* is a TensorFlow 1 checkpoint"):
            choose(tmp_path, print)


def test_a_folder_that_may_not_be_read_is_an_error_that_names_it(model_dir, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))

    monkeypatch.setattr(files, "names_in", refuse)  # root may read everything
    for choose in (prepare_to_resume, find_checkpoint):
        with pytest.raises(CheckpointError, match=rf"{model_dir} cannot be used: permission denied"):
            choose(model_dir, print)


def test_of_tfods_checkpoints_by_count_and_odtks_by_step_the_one_of_the_highest_step_is_the_newest(model_dir):
    step = tf.Variable(12, dtype=tf.int64)
    tf.train.Checkpoint(step=step).write(str(model_dir / "ckpt-4"))  # TFOD resumed from step 10, its fourth
    for text in (ONE % "ckpt-4" + TWO % "ckpt-10" + TWO % "ckpt-4", ""):
        state(text)(model_dir)
        assert find_checkpoint(model_dir) == str(model_dir / "ckpt-4")


class TestList:
    """The file `checkpoint` after a resume, by which TensorFlow's manager resumes and deletes."""

    def test_a_right_one_is_left_as_it_is(self, model_dir):
        before = (model_dir / "checkpoint").read_bytes()
        prepare_to_resume(model_dir, print)
        assert (model_dir / "checkpoint").read_bytes() == before

    def test_orphans_are_listed_with_their_times_and_the_others_keep_theirs(self, model_dir):
        times = read_state(model_dir).listed
        copy("ckpt-8", "ckpt-3")(model_dir)
        os.utime(model_dir / "ckpt-3.index", (5.5, 5.5))
        STALE(model_dir)
        prepare_to_resume(model_dir, print)
        found = read_state(model_dir)
        assert list(found.listed) == ["ckpt-3", "ckpt-8", "ckpt-9", "ckpt-10"]
        assert found.listed["ckpt-3"] == 5.5
        assert found.listed["ckpt-10"] == pytest.approx(times["ckpt-10"], abs=60)
        assert "/" not in (model_dir / "checkpoint").read_text(), "names are relative"

    def test_keep_counts_them_and_holds_after_a_resume(self, model_dir):
        copy("ckpt-8", "ckpt-3")(model_dir)
        remove("ckpt-8.index")(model_dir)  # killed while it was deleted
        remove("checkpoint")(model_dir)
        prepare_to_resume(model_dir, print)
        save_at(manager(model_dir, keep=2), 11)
        assert sorted(path.name for path in model_dir.glob("ckpt*")) == sorted(
            f"ckpt-{number}.{end}" for number in (10, 11) for end in ("index", DATA)
        )

    @pytest.mark.parametrize("strange", [b"2", b"9", b"0e9"])
    def test_keep_holds_where_clocks_differed(self, model_dir, strange):
        rewrite("checkpoint", lambda text: re.sub(rb"(timestamps?: )1", rb"\g<1>" + strange, text))(model_dir)
        prepare_to_resume(model_dir, print)
        save_at(manager(model_dir, keep=2), 11)
        assert list(read_state(model_dir).listed) == ["ckpt-10", "ckpt-11"]
        assert not (model_dir / "ckpt-8.index").exists()

    def test_a_damaged_one_does_not_count_and_is_replaced_when_its_step_is_reached(self, model_dir):
        rewrite(f"ckpt-10.{DATA}", cut)(model_dir)
        said, damaged = [], (model_dir / f"ckpt-10.{DATA}").read_bytes()
        prepare_to_resume(model_dir, said.append)
        assert said[-1] == f"{model_dir / 'ckpt-10'} is left as it is, and replaced if training saves that step again."
        assert list(read_state(model_dir).listed) == ["ckpt-8", "ckpt-9"]
        made = manager(model_dir, keep=3)
        assert (model_dir / f"ckpt-10.{DATA}").read_bytes() == damaged
        save_at(made, 10)
        assert list(read_state(model_dir).listed) == ["ckpt-8", "ckpt-9", "ckpt-10"]
        assert prepare_to_resume(model_dir, print) == str(model_dir / "ckpt-10")

    def test_after_going_back_the_later_ones_stay_passed_over_and_are_the_first_to_go(self, model_dir):
        state(ONE % "ckpt-8")(model_dir)
        prepare_to_resume(model_dir, print)
        assert list(read_state(model_dir).listed) == ["ckpt-9", "ckpt-10", "ckpt-8"]
        prepare_to_resume(model_dir, print)
        made = manager(model_dir, keep=2)
        assert int(made.checkpoint.step) == 8
        save_at(made, 12)
        assert list(read_state(model_dir).listed) == ["ckpt-8", "ckpt-12"]

    def test_a_moved_folder_resumes_where_it_is(self, model_dir, tmp_path):
        prepare_to_resume(model_dir, print)
        moved = model_dir.rename(tmp_path / "elsewhere")
        said = []
        assert prepare_to_resume(moved, said.append) == str(moved / "ckpt-10")
        assert said == []

    def test_best_and_files_of_other_names_are_not_touched(self, model_dir):
        (model_dir / "best").mkdir()
        kept = [model_dir / "best" / "ckpt-7_temp", model_dir / "my_temp", model_dir / "ckpt-1_temp" / "mine.txt"]
        kept[0].mkdir()
        kept[1].mkdir()
        kept[2].parent.mkdir()
        kept[2].touch()
        copy("ckpt-8", "best-1")(model_dir)
        remove("checkpoint")(model_dir)
        prepare_to_resume(model_dir, print)
        save_at(manager(model_dir, keep=1), 20)
        assert all(path.exists() for path in kept)
        assert (model_dir / "best-1.index").exists()


def test_the_state_is_read_as_it_was_written(tmp_path):
    write_state(tmp_path, {"ckpt-1": 5.25, 'it"s \\ é': 7.5})
    found = read_state(tmp_path)
    assert (found.newest, dict(found.listed)) == ('it"s \\ é', {"ckpt-1": 5.25, 'it"s \\ é': 7.5})
    recovered = tf.train.get_checkpoint_state(tmp_path)
    assert recovered.model_checkpoint_path == str(tmp_path / 'it"s \\ é')
    assert list(recovered.all_model_checkpoint_timestamps) == [5.25, 7.5]
    assert recovered.last_preserved_timestamp < 5.25


def test_a_model_dir_in_a_store():
    folder = "ram://checkpoints/model"
    make_model_dir(folder)
    tf.io.gfile.remove(f"{folder}/ckpt-10.index")
    with tf.io.gfile.GFile(f"{folder}/checkpoint", "w") as file:
        file.write("")
    said = []
    assert find_checkpoint(folder) == f"{folder}/ckpt-9"
    assert prepare_to_resume(folder, said.append) == f"{folder}/ckpt-9"
    assert any("ckpt-10.index is missing" in line for line in said)
    made = manager(folder, keep=2)
    assert save_at(made, 11) == f"{folder}/ckpt-11"
    assert list(read_state(folder).listed) == ["ckpt-9", "ckpt-11"]
    assert find_checkpoint(f"{folder}/ckpt-11") == f"{folder}/ckpt-11"
    with pytest.raises(CheckpointError, match=rf"There are: {folder}/ckpt-11"):
        find_checkpoint(f"{folder}/ckpt-12")
