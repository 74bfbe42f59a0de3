"""run.json, and what repeating and resuming read from it; without TensorFlow's steps."""

import dataclasses
import json

import pytest

from odtk import pipeline
from odtk.errors import OdtkError
from odtk.records import shards
from odtk.records.fingerprint import fingerprint
from odtk.retrying import at_once
from odtk.tools.train import fingerprints
from odtk.tools.train.batch import Batch
from odtk.tools.train.options import TrainingOptions, command_line
from odtk.tools.train.run_record import FILE, choose_seed, read_run, recording, repeated

ASKED = TrainingOptions(num_steps=40, patience=3, log_to=("wandb", "mlflow"), deterministic=True)


@pytest.fixture
def config(tmp_path):
    """Of a run in tmp_path/model, whose training file has two records."""
    shards.write_records(tmp_path / "train.record", [b"one", b"two"])
    text = pipeline.format(pipeline.read("ssd_resnet50_v1_fpn_small"))
    records = [("train_input_reader.tf_record_input_reader.input_path", f'"{tmp_path / "train.record"}"')]
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "pipeline.config"
    path.write_text(pipeline.set_fields(text, records, "c"))
    return path


def train(config, options=ASKED, seed=5, first_step=0, error=None, micro_batches=(1, 1)):
    """One session to step 40, as `odtk train` records it; `micro_batches` at its start and at its end."""
    steps, parts = iter([first_step, 40]), iter(micro_batches)
    batch = lambda: Batch(8, next(parts))  # noqa: E731
    given = options, pipeline.read(config), seed, ["a GPU"], batch, lambda: next(steps), at_once, "bfloat16"
    with recording("pets.config", config.parent, *given) as session:
        if error:
            raise error
        session.reason = "all steps are done"


def test_a_run_says_what_it_is_made_of(config):
    train(config)
    run = read_run(config.parent)
    session = run["sessions"][0]
    assert session["command"] == (
        "odtk train pets.config " + str(config.parent) + " --num-steps 40 --patience 3 --deterministic "
        "--log-to wandb --log-to mlflow"
    )
    assert (session["first_step"], session["last_step"], session["reason"]) == (0, 40, "all steps are done")
    assert session["started"] <= session["ended"]
    machine = session["machine"]
    assert machine["gpus"] == ["a GPU"]
    assert 0 < machine["cores"] <= machine["cpus"]
    assert {"processor", "memory", "nvidia_driver", "tpus"} <= set(machine)
    assert {"odtk", "tensorflow", "tf-models-official", "python", "cuda"} <= set(session["versions"])
    assert run["records"] == {
        str(config.parents[1] / "train.record"): dataclasses.asdict(fingerprint(config.parents[1] / "train.record"))
    }
    assert run["config"] == pipeline.format(pipeline.read(config))


def test_a_resumed_run_adds_a_session_and_keeps_its_seed(config):
    said = []
    with pytest.raises(KeyboardInterrupt):
        train(config, error=KeyboardInterrupt())
    assert choose_seed(config.parent, None, said.append) == 5
    train(config, first_step=20)
    sessions = read_run(config.parent)["sessions"]
    assert [each["reason"] for each in sessions] == ["interrupted", "all steps are done"]
    assert [(each["first_step"], each["last_step"]) for each in sessions] == [(0, 40), (20, 40)]
    assert said == []
    assert choose_seed(config.parent, 6, said.append) == 6
    assert "started with seed 5" in said[0]


def test_a_killed_session_is_known_by_its_missing_end(config):
    train(config)
    run = json.loads((config.parent / FILE).read_text())
    run["sessions"][0] |= {"ended": None, "reason": None}
    (config.parent / FILE).write_text(json.dumps(run))
    train(config)
    assert read_run(config.parent)["sessions"][0]["reason"].startswith("killed")


def test_a_run_without_a_record_draws_its_seed(tmp_path):
    drawn = {choose_seed(tmp_path, None, print) for _ in range(3)}
    assert len(drawn) == 3
    assert choose_seed(tmp_path, 8, print) == 8


def test_a_repeated_run_takes_everything_from_the_first(config):
    train(config)
    said = []
    path, options = repeated(config.parent, config.parents[1] / "again", TrainingOptions(patience=4), said.append)
    assert path == str(config)
    assert options == dataclasses.replace(ASKED, seed=5, patience=4, precision="bfloat16")
    assert len(said) == 1, "nothing has changed"


def test_a_repeated_run_takes_the_batch_that_was_chosen(config):
    asked = TrainingOptions(batch_size="auto", accumulate="auto")
    train(config, asked, micro_batches=(1, 2))
    session = read_run(config.parent)["sessions"][0]
    assert session["precision"] == "bfloat16"
    assert session["batch"] == {"images": 8, "micro_batches": 2, "replicas": 1}, "as it was at the end"
    again = config.parents[1] / "again"
    _, options = repeated(config.parent, again, TrainingOptions(), print)
    assert (options.batch_size, options.accumulate) == (None, 2), "the config in the model dir has the batch size"
    assert options.precision == "bfloat16", "what was chosen is not chosen again"
    assert repeated(config.parent, again, TrainingOptions(precision="float16"), print)[1].precision == "float16"
    _, options = repeated(config.parent, again, TrainingOptions(batch_size=16), print)
    assert (options.batch_size, options.accumulate) == (16, "auto")
    _, options = repeated(config.parent, again, TrainingOptions(accumulate=4), print)
    assert (options.batch_size, options.accumulate) == (None, 4)


def change_what_was_trained(config):
    """Other records than the run's, and a run of an older TensorFlow."""
    shards.write_records(config.parents[1] / "train.record", [b"one", b"six"])
    run = json.loads((config.parent / FILE).read_text())
    run["sessions"][0]["versions"]["tensorflow"] = "2.3.0"
    (config.parent / FILE).write_text(json.dumps(run))


def test_what_has_changed_since_is_told(config):
    train(config)
    change_what_was_trained(config)
    config.write_text(pipeline.set_fields(config.read_text(), [("train_config.batch_size", "3")], "c"))
    said = []
    train(config)
    repeated(config.parent, config.parents[1] / "again", TrainingOptions(), said.append)
    assert "was resumed with another config" in said[1]
    assert len(said) == 2, "the second session has the new files and versions"


def test_changed_records_and_versions_are_told(config):
    train(config)
    change_what_was_trained(config)
    said = []
    repeated(config.parent, config.parents[1] / "again", TrainingOptions(), said.append)
    assert str(config.parents[1] / "train.record") in said[1]
    assert "tensorflow 2.3.0 (now 2." in said[2]


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 3}', '{"seed": "3", "sessions": [{"arguments": {}}]}'])
def test_a_file_of_somebody_else_is_refused_by_name(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(OdtkError, match=FILE):
        read_run(tmp_path)


def test_a_folder_without_a_run_cannot_be_repeated(tmp_path):
    with pytest.raises(OdtkError, match=r"no run\.json"):
        repeated(tmp_path, tmp_path / "again", TrainingOptions(), print)


def test_a_run_is_repeated_in_a_folder_of_its_own_where_it_also_goes_on(config, tmp_path):
    train(config)
    again = tmp_path / "again"
    again.mkdir()

    def repeat(folder, **changed):
        return repeated(config.parent, folder, TrainingOptions(**changed), lambda line: None)

    with pytest.raises(OdtkError, match="is the folder of the run that is repeated"):
        repeat(config.parent / ".." / config.parent.name)
    (again / FILE).write_text((config.parent / FILE).read_text())
    repeat(again)
    with pytest.raises(OdtkError, match="has another run than that of"):
        repeat(again, seed=6)
    (again / FILE).unlink()
    (again / "ckpt-3.index").touch()
    with pytest.raises(OdtkError, match="has another run than that of"):
        repeat(again)


def test_a_command_has_only_what_was_asked_for():
    assert command_line("a b.config", "m", TrainingOptions()) == "odtk train 'a b.config' m"
    assert (
        command_line("c", "m", TrainingOptions(eval_every=0, max_time="1h"))
        == "odtk train c m --eval-every 0 --max-time 1h"
    )


@pytest.mark.parametrize(
    "change", [[b"one", b"twp"], [b"one"], [b"two", b"one"], [b"onet", b"wo"], [b"one", b"two", b""]]
)
def test_a_fingerprint_changes_with_the_data(tmp_path, change):
    shards.write_records(tmp_path / "a", [b"one", b"two"])
    shards.write_records(tmp_path / "b", change)
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "b").records == len(change)


def test_a_damaged_length_does_not_keep_a_file_from_its_fingerprint(tmp_path):
    shards.write_records(tmp_path / "a", [b"one", b"two"])
    whole = fingerprint(tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    data[3] = 0xFF
    (tmp_path / "a").write_bytes(data)
    assert fingerprint(tmp_path / "a").sha256 != whole.sha256


def test_changes_are_named_by_their_files():
    before = {"label_maps": {"a": "1"}, "records": {"r": "1", "s": "2"}, "checkpoint": {}}
    now = {"label_maps": {"a": "1"}, "records": {"r": "9", "t": "2"}, "checkpoint": {"c": "5"}}
    assert sorted(fingerprints.changes(before, now)) == ["c", "r", "s", "t"]
