"""Which checkpoint a folder means, when all is well and when files are damaged, moved or copied."""

import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from small_checkpoints import make_variables

from odtk.checkpoints.newest import find_checkpoint
from odtk.checkpoints.object_graph import as_trackable
from odtk.checkpoints.reader import CheckpointReader
from odtk.errors import CheckpointError, DamagedCheckpointError


class TestFindCheckpoint:
    def test_a_prefix_is_itself(self, saved):
        assert find_checkpoint(saved) == saved

    def test_a_model_dir_means_its_latest(self, tmp_path):
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(**as_trackable(make_variables())), str(tmp_path), max_to_keep=3
        )
        saved = [manager.save(checkpoint_number=number) for number in (9, 10, 11)]
        assert find_checkpoint(tmp_path) == saved[-1]

    def test_an_exported_folder_means_the_checkpoint_inside(self, tmp_path):
        folder = tmp_path / "exported" / "checkpoint"
        saved = tf.train.Checkpoint(**as_trackable(make_variables())).save(str(folder / "ckpt"))
        (tmp_path / "exported" / "saved_model").mkdir()
        assert find_checkpoint(tmp_path / "exported") == saved
        assert find_checkpoint(folder) == saved

    def test_a_folder_without_any_says_train_first(self, tmp_path):
        with pytest.raises(CheckpointError, match="Train first") as error:
            find_checkpoint(tmp_path)
        assert str(tmp_path) in str(error.value)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            find_checkpoint(tmp_path / "ckpt-3")


DAMAGES = {
    "truncated": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: content[:-9]),
    "empty": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: b""),
    "a bit": lambda prefix: rewrite(f"{prefix}.data-00000-of-00001", lambda content: b"\x77" + content[1:]),
    "no data": lambda prefix: Path(f"{prefix}.data-00000-of-00001").unlink(),
    "a shard": lambda prefix: shutil.move(f"{prefix}.data-00000-of-00001", f"{prefix}.data-00000-of-00002"),
    "garbage": lambda prefix: rewrite(f"{prefix}.index", lambda content: content[::-1]),
    "half an index": lambda prefix: rewrite(f"{prefix}.index", lambda content: content[: len(content) // 2]),
    "no index": lambda prefix: Path(f"{prefix}.index").unlink(),
}
NAMED = {"garbage": "index", "half an index": "index", "no index": "index", "a shard": "data-00001-of-00002"}


def rewrite(path, change):
    Path(path).write_bytes(change(Path(path).read_bytes()))


@pytest.fixture
def model_dir(tmp_path):
    """Checkpoints 9 and 10, whose names sort the other way round as text, and the file that names 10."""
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(**as_trackable(make_variables())), str(tmp_path / "model"), max_to_keep=3
    )
    for number in (9, 10):
        manager.save(checkpoint_number=number)
    return tmp_path / "model"


class TestNewestCheckpoint:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_is_named_and_the_one_before_is_taken(self, model_dir, damage):
        DAMAGES[damage](model_dir / "ckpt-10")
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-9")
        (line,) = said
        assert f"{model_dir / 'ckpt-10'}.{NAMED.get(damage, 'data-00000-of-00001')}" in line
        assert line.endswith(f"{model_dir / 'ckpt-9'} is used instead.")

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_one_that_was_named_is_an_error(self, model_dir, damage):
        DAMAGES[damage](model_dir / "ckpt-10")
        with pytest.raises(DamagedCheckpointError, match=re.escape(f"{model_dir / 'ckpt-10'}.")):
            CheckpointReader(find_checkpoint(model_dir / "ckpt-10")).verify()

    def test_where_all_are_damaged_all_are_named(self, model_dir):
        for number in (9, 10):
            DAMAGES["truncated"](model_dir / f"ckpt-{number}")
        with pytest.raises(DamagedCheckpointError, match=r"(?s)no usable checkpoint.*ckpt-10.*ckpt-9"):
            find_checkpoint(model_dir)

    @pytest.mark.parametrize("state", [
        'model_checkpoint_path: "/content/drive/MyDrive/model/ckpt-10"',
        'model_checkpoint_path: "/content/drive/MyDrive/model/ckpt-9"',  # it went on after the file was copied
        'model_checkpoint_path: "ckpt-12"',
        "\0 no text at all",
        None,
    ])  # fmt: skip
    def test_a_moved_folder_has_its_newest_by_number_and_says_so(self, model_dir, state):
        (model_dir / "checkpoint").unlink()
        if state:
            (model_dir / "checkpoint").write_text(state)
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-10")
        (line,) = said
        assert line.endswith(f" {model_dir / 'ckpt-10'}.")

    def test_a_copied_folder_gives_its_own_checkpoint_not_that_of_the_first(self, model_dir, tmp_path):
        copy = tmp_path / "copy"
        shutil.copytree(model_dir, copy)
        (copy / "checkpoint").write_text(f'model_checkpoint_path: "{model_dir / "ckpt-10"}"')
        said = []
        assert find_checkpoint(copy, said.append) == str(copy / "ckpt-10")
        assert len(said) == 1

    def test_the_file_has_the_last_word_on_what_is_there(self, model_dir):
        (model_dir / "checkpoint").write_text('model_checkpoint_path: "ckpt-9"')
        said = []
        assert find_checkpoint(model_dir, said.append) == str(model_dir / "ckpt-9")
        assert said == [
            f"{model_dir / 'checkpoint'} names {model_dir / 'ckpt-9'}, which is used although "
            f"{model_dir / 'ckpt-10'} is newer."
        ]
