"""The best checkpoint of a model dir: replaced as a whole, and chosen."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from odtk import files
from odtk.checkpoints import best
from odtk.checkpoints.best import choose_checkpoint, read_best, tidy, write_best
from odtk.checkpoints.files import is_resumable
from odtk.checkpoints.model_dir import prepare_to_resume
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import CheckpointError, DamagedCheckpointError

MAP = "DetectionBoxes_Precision/mAP"


def save(prefix):
    return tf.train.Checkpoint(step=tf.Variable(7)).write(prefix)


def keep(model_dir, step, value):
    return write_best(model_dir, step, MAP, {MAP: value, "AP/cat": math.nan}, save)


@pytest.fixture
def model_dir(tmp_path):
    """With its last checkpoint, 600, and its best, 400."""
    folder = tmp_path / "model"
    folder.mkdir()
    save(str(folder / "ckpt-600"))
    (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-600"')
    keep(folder, 400, 0.625)
    return folder


def test_what_is_written_is_read_and_a_new_one_takes_its_place(model_dir):
    first = read_best(model_dir)
    assert (first.step, first.metric, first.value, first.metrics) == (400, MAP, 0.625, {MAP: 0.625})
    json.loads((model_dir / "best/metrics.json").read_text(), parse_constant=pytest.fail)  # NaN is null
    keep(model_dir, 500, 0.75)
    assert sorted(path.name.split(".")[0] for path in (model_dir / "best").glob("ckpt*")) == ["ckpt-500"] * 2
    assert tf.train.latest_checkpoint(model_dir / "best") == str(model_dir / "best/ckpt-500")
    assert read_best(model_dir).value == 0.75


@pytest.mark.parametrize("step", [400, 500])
def test_a_kill_at_any_write_leaves_the_old_or_the_new_one_whole(model_dir, monkeypatch, step):
    """Each call that changes files is the last one once; a step may come again in a run that went back."""
    ends, survived = set(), False
    for count in range(20):
        with monkeypatch.context() as patch:
            patch.setattr(best, "files", Dying(count))
            try:
                write_best(model_dir, step, MAP, {MAP: 0.75}, save_half if count == 0 else save)
                survived = True
            except Killed:
                pass
        found = read_best(model_dir)
        assert (found.step, found.value) in {(400, 0.625), (step, 0.75)}
        CheckpointReader(found.prefix).verify()
        ends.add(found.value)
        tidy(model_dir)
        names = {path.name.split(".")[0] for path in (model_dir / "best").glob("ckpt*")}
        assert names == {read_best(model_dir).prefix.rpartition("/")[2]}, "leftovers are removed"
        if survived:
            break
        shutil.rmtree(model_dir / "best")
        keep(model_dir, 400, 0.625)
    assert survived
    assert ends == {0.625, 0.75}


class Killed(BaseException):
    pass


class Dying:
    """odtk.files, whose functions that change something work `count` times."""

    def __init__(self, count):
        self.count = count

    def __getattr__(self, name):
        function = getattr(files, name)
        return self.counted(function) if name in ("write_text", "remove", "remove_folder") else function

    def counted(self, function):
        def change(*arguments):
            if self.count == 0:
                raise Killed
            self.count -= 1
            function(*arguments)

        return change


def save_half(prefix):
    save(prefix)
    Path(f"{prefix}.index").unlink()
    raise Killed


def test_the_best_is_chosen_where_there_is_one_and_the_choice_is_told(model_dir):
    said = []
    assert choose_checkpoint(model_dir, log=said.append, verb="Evaluating") == str(model_dir / "best/ckpt-400")
    assert said == [f"Evaluating {model_dir}/best/ckpt-400, the best by mAP (0.625 at step 400); the last is ckpt-600."]
    assert choose_checkpoint(model_dir, "best") == str(model_dir / "best/ckpt-400")
    said.clear()
    assert choose_checkpoint(model_dir, "last", said.append) == str(model_dir / "ckpt-600")
    assert said == [f"Using {model_dir}/ckpt-600, the last."]
    assert choose_checkpoint(model_dir, model_dir / "ckpt-600") == str(model_dir / "ckpt-600")
    assert choose_checkpoint(model_dir / "ckpt-600") == str(model_dir / "ckpt-600")


def test_without_a_best_the_last_is_taken_and_asking_for_it_is_an_error(model_dir):
    (model_dir / "best/metrics.json").unlink()
    assert choose_checkpoint(model_dir) == str(model_dir / "ckpt-600")
    with pytest.raises(CheckpointError, match="has no best checkpoint"):
        choose_checkpoint(model_dir, "best")


def test_a_damaged_best_gives_way_to_the_last_unless_it_was_asked_for(model_dir):
    (data,) = (model_dir / "best").glob("*.data*")
    data.write_bytes(data.read_bytes()[:-1])
    said = []
    assert choose_checkpoint(model_dir, log=said.append) == str(model_dir / "ckpt-600")
    assert "is damaged" in said[0]
    with pytest.raises(DamagedCheckpointError):
        choose_checkpoint(model_dir, "best")


@pytest.mark.parametrize("text", ["", "[]", '{"checkpoint": "ckpt-400"}', '{"checkpoint": 5, "metrics": 1}'])
def test_a_file_that_is_something_else_is_no_best(model_dir, text):
    (model_dir / "best/metrics.json").write_text(text)
    assert read_best(model_dir) is None


def test_a_model_dir_may_be_in_a_store():
    tf.io.gfile.makedirs("ram://models/best-of-a-store")
    kept = keep("ram://models/best-of-a-store", 5, 0.5)
    assert kept.prefix == "ram://models/best-of-a-store/best/ckpt-5"
    keep("ram://models/best-of-a-store", 6, 0.75)
    assert read_best("ram://models/best-of-a-store").value == 0.75
    names = tf.io.gfile.listdir("ram://models/best-of-a-store/best")
    assert sorted(names) == ["checkpoint", "ckpt-6.data-00000-of-00001", "ckpt-6.index", "metrics.json"]


def test_a_file_checkpoint_that_is_no_text_is_written_again(tmp_path):
    keep(tmp_path, 200, 0.5)
    stated = tmp_path / "best" / "checkpoint"
    stated.write_bytes(bytes(range(256)))
    tidy(tmp_path)
    assert 'model_checkpoint_path: "ckpt-200"' in stated.read_text()


@pytest.fixture
def with_best_alone(model_dir):
    """Killed after an evaluation and before the first checkpoint."""
    for path in [*model_dir.glob("ckpt-*"), model_dir / "checkpoint"]:
        path.unlink()
    return model_dir


def test_a_run_without_another_checkpoint_resumes_from_the_best(with_best_alone):
    assert is_resumable(with_best_alone)
    said = []
    for _ in range(2):
        assert prepare_to_resume(with_best_alone, said.append) == str(with_best_alone / "ckpt-400")
        assert tf.train.latest_checkpoint(with_best_alone) == str(with_best_alone / "ckpt-400")
        assert read_best(with_best_alone).step == 400, "it stays there, too"
    assert len(said) == 1
    assert "no checkpoint to resume from but the best one" in said[0]


def test_so_does_one_that_was_killed_while_it_was_copied_or_has_only_damaged_ones(with_best_alone):
    keep(with_best_alone, 500, 0.75)
    keep(with_best_alone, 500, 0.8)
    assert read_best(with_best_alone).prefix.endswith("ckpt-500-again")
    (with_best_alone / "ckpt-500.data-00000-of-00001").write_bytes(b"half of")
    (with_best_alone / "ckpt-700.index").write_bytes(b"half of")
    said = []
    assert prepare_to_resume(with_best_alone, said.append) == str(with_best_alone / "ckpt-500")
    assert re.search("ckpt-700 .*incomplete|incomplete: .*ckpt-700", " ".join(said))


def test_asking_for_the_last_where_the_best_is_alone_names_that(with_best_alone):
    with pytest.raises(CheckpointError, match=r"no checkpoint but the best one, .*ckpt-400") as raised:
        choose_checkpoint(with_best_alone, "last")
    assert raised.value.argument == "checkpoint"


def test_a_damaged_best_is_not_resumed(with_best_alone):
    data = with_best_alone / "best/ckpt-400.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    said = []
    assert prepare_to_resume(with_best_alone, said.append) is None
    assert "is damaged" in said[0]
