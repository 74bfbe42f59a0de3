"""`odtk migrate`: what is found in an old folder, what becomes of the config, and of checkpoints that fit or do not."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from odtk import label_map, pipeline
from odtk.cli.main import cli
from odtk.errors import DataError, OdtkError, OutputError
from odtk.findings import has_errors
from odtk.resources import shipped_files
from odtk.tools.check_config import check_config
from odtk.tools.migrate import migrate, paths
from odtk.tools.migrate.find import choose, find
from odtk.tools.migrate.new_config import make_config
from odtk.tools.migrate.options import IGNORED, KEPT, REFUSED, options_of

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
SMALL = "ssd_resnet50_v1_fpn_small"


def write(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def checkpoint(prefix):
    write(Path(f"{prefix}.index"), MAGIC)
    write(Path(f"{prefix}.data-00000-of-00001"))


def config_text(**fields):
    text = shipped_files("pipelines", ".config")[SMALL].read_text("utf-8")
    named = {
        "train_input_reader.label_map_path": '"annotations/label_map.pbtxt"',
        "train_input_reader.tf_record_input_reader.input_path": '["annotations/train.record-?????-of-00002"]',
        "eval_input_reader[0].label_map_path": '"annotations/label_map.pbtxt"',
        "eval_input_reader[0].tf_record_input_reader.input_path": '["annotations/test.record"]',
        "train_config.fine_tune_checkpoint": '"pre-trained-models/zoo/checkpoint/ckpt-0"',
    }
    return pipeline.set_fields(text, [*(named | fields).items()], SMALL)


@pytest.fixture
def workspace(tmp_path):
    """As TFOD's tutorials lay it out; checkpoints are empty."""
    root = tmp_path / "training_demo"
    label_map.write(label_map.of_names(["cat", "dog"]), write(root / "annotations/label_map.pbtxt"))
    for name in ("train.record-00000-of-00002", "train.record-00001-of-00002", "test.record"):
        write(root / "annotations" / name)
    write(root / "models/my_ssd/pipeline.config", config_text().encode())
    for number in (1, 2, 6):
        checkpoint(root / f"models/my_ssd/ckpt-{number}")
    write(root / "models/my_ssd/train/events.out.tfevents.1")
    write(root / "exported-models/mine/saved_model/saved_model.pb")
    write(root / "exported-models/mine/saved_model/variables/variables.index")
    write(root / "exported-models/mine/pipeline.config", config_text().encode())
    checkpoint(root / "exported-models/mine/checkpoint/ckpt-0")
    write(root / "pre-trained-models/zoo/saved_model/saved_model.pb")
    write(root / "pre-trained-models/zoo/pipeline.config", config_text().encode())
    checkpoint(root / "pre-trained-models/zoo/checkpoint/ckpt-0")
    write(root / "venv/lib/x.record")
    write(root / "notes.txt", b"item {")
    return root


def relative(found, root):
    return [str(path.relative_to(root)) for path in found]


def test_what_is_found(workspace):
    write(workspace / "old/frozen_inference_graph.pb")
    write(workspace / "old/model.ckpt-100.index")
    found = find(workspace)
    assert relative(found.model_dirs, workspace) == ["models/my_ssd"]
    assert relative(found.exports, workspace) == ["exported-models/mine", "pre-trained-models/zoo"]
    assert relative(found.records, workspace) == [
        "annotations/test.record", "annotations/train.record-00000-of-00002", "annotations/train.record-00001-of-00002"
    ]  # fmt: skip
    assert relative(found.tf1, workspace) == ["old/frozen_inference_graph.pb", "old/model.ckpt-100.index"]
    assert "annotations/label_map.pbtxt" in relative(found.label_maps, workspace)
    assert len(found.configs) == 3


def test_the_run_is_the_model_dir_with_the_config_beside_it(workspace):
    chosen = choose(find(workspace), None, None)
    assert chosen.config == workspace / "models/my_ssd/pipeline.config"
    assert (chosen.checkpoints, chosen.is_training) == (str(workspace / "models/my_ssd"), True)


def test_several_runs_are_listed_and_one_is_named(workspace):
    checkpoint(workspace / "models/other/ckpt-3")
    with pytest.raises(OdtkError, match=r"several model dirs; name one of them:\n.*my_ssd\n.*other") as error:
        choose(find(workspace), None, None)
    assert error.value.argument == "checkpoint"
    other = choose(find(workspace), workspace / "models/my_ssd/pipeline.config", workspace / "models/other/ckpt-3")
    assert other.checkpoints == str(workspace / "models/other/ckpt-3")
    assert other.is_training
    # Given as the old folder itself, it is meant.
    assert choose(find(workspace / "models/my_ssd"), None, None).checkpoints == str(workspace / "models/my_ssd")


def test_an_exported_model_alone(workspace):
    chosen = choose(find(workspace / "exported-models/mine"), None, None)
    assert chosen.config == workspace / "exported-models/mine/pipeline.config"
    assert not chosen.is_training


@pytest.mark.parametrize("name", ["empty", "absent", "tf1"])
def test_folders_without_anything_of_tfod(tmp_path, name):
    write(tmp_path / "empty/cat.jpg")
    write(tmp_path / "tf1/frozen_inference_graph.pb")
    with pytest.raises(DataError, match="is not a folder" if name == "absent" else "holds no pipeline.config") as error:
        find(tmp_path / name)
    assert ("models of TensorFlow 1" in str(error.value)) == (name == "tf1")


def located(workspace, text):
    file = write(workspace / "models/my_ssd/pipeline.config", text.encode())
    found = paths.locate_all(pipeline.parse(text, "c"), file, find(workspace))
    return {each.field: each for each in found}


def test_relative_paths_are_those_from_the_workspace(workspace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = located(workspace, config_text())
    assert {field.rpartition(".")[2]: each.here for field, each in found.items()} == {
        "label_map_path": str(workspace / "annotations/label_map.pbtxt"),
        "input_path[0]": str(workspace / "annotations/test.record"),
        "fine_tune_checkpoint": str(workspace / "pre-trained-models/zoo/checkpoint/ckpt-0"),
    }
    train = found["train_input_reader.tf_record_input_reader.input_path[0]"]
    assert train.here == str(workspace / "annotations/train.record-?????-of-00002")


@pytest.mark.parametrize(
    "written",
    ["/home/someone/training_demo/annotations/test.record", "C:\\\\Users\\\\me\\\\annotations\\\\test.record",
     "/content/drive/test.record"],
)  # fmt: skip
def test_paths_of_other_machines_are_found_by_their_end(workspace, written):
    field = "eval_input_reader[0].tf_record_input_reader.input_path"
    found = located(workspace, config_text(**{field: f'["{written}"]'}))[f"{field}[0]"]
    assert found.here == str(workspace / "annotations/test.record")
    assert found.is_changed


def test_what_is_ambiguous_or_not_there_is_left_and_said(workspace):
    write(workspace / "more/test.record")
    field = "eval_input_reader[0].tf_record_input_reader.input_path"
    found = located(workspace, config_text(**{field: '["/x/test.record", "/x/gone.record", "gs://b/test.record"]'}))
    notes = [found[f"{field}[{index}]"] for index in range(3)]
    assert [each.here for each in notes] == [None, None, "gs://b/test.record"]
    assert notes[0].note.startswith("several of that name: ")
    assert notes[1].note == "not found"


def test_the_config_keeps_its_text_but_for_paths(workspace, tmp_path):
    text = "# mine\n" + config_text(**{"train_config.fine_tune_checkpoint": '"/gone/ckpt-0"'})
    file = write(workspace / "models/my_ssd/pipeline.config", text.encode())
    found = find(workspace)
    located = paths.locate_all(pipeline.parse(text, "c"), file, found)
    new = make_config(text, located, choose(found, None, None), tmp_path / "out")
    changed = [line for line in new.text.splitlines() if line not in text.splitlines()]
    assert len(changed) == 4
    assert new.text.startswith("# mine\n")
    assert new.label_map == str(workspace / "annotations/label_map.pbtxt")
    config = pipeline.parse(new.text, "new")
    assert config.train_input_reader.label_map_path == str(tmp_path / "out/label_map.pbtxt")
    assert config.train_config.fine_tune_checkpoint == "/gone/ckpt-0"
    elsewhere = pipeline.parse(new.text_with_label_map(tmp_path / "part"), "new")
    assert elsewhere.eval_input_reader[0].label_map_path == str(tmp_path / "part/label_map.pbtxt")


def test_an_exported_models_weights_are_where_training_starts(workspace, tmp_path):
    found = find(workspace / "exported-models/mine")
    chosen = choose(found, None, None)
    new = make_config(config_text(), [], chosen, tmp_path / "out")
    train = pipeline.parse(new.text, "new").train_config
    assert (train.fine_tune_checkpoint, train.fine_tune_checkpoint_type) == (str(tmp_path / "out/model/ckpt-0"), "full")


def test_each_option_is_kept_ignored_or_refused():
    text = config_text(**{"train_config.sync_replicas": "true", "model.ssd.mask_head_config.mask_height": "15"})
    config = pipeline.parse(text, "c")
    findings = check_config(config, "c", text)
    options = {option.path: option for option in options_of(config, findings)}
    assert set(options) == {path for path, _ in pipeline.walk(config)}
    assert options["train_config.sync_replicas"].state == IGNORED
    assert "TensorFlow 1 trainer" in options["train_config.sync_replicas"].reason
    refused = options["model.ssd.mask_head_config.mask_height"]
    assert refused.state == REFUSED
    assert refused.fix.startswith("odtk configure c --output c --set model.ssd.mask_head_config=")
    assert options["train_config.batch_size"].state == KEPT
    assert has_errors(findings)


def test_a_model_that_odtk_does_not_have_is_reported_and_not_built(workspace, tmp_path, monkeypatch):
    text = config_text(**{"model.ssd.feature_extractor.type": '"ssd_mobilenet_v2_mnasfpn_keras"'})
    write(workspace / "models/my_ssd/pipeline.config", text.encode())
    monkeypatch.setattr("odtk.checkpoints.newest.find_checkpoint", lambda path, log: f"{path}/ckpt-6")
    done = CliRunner().invoke(cli, ["migrate", str(workspace), str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    assert "Variables: not compared, as the config's model has errors, see above." in done.stdout
    assert "refused  model.ssd.feature_extractor.type" in done.stdout
    assert (tmp_path / "out/migration.txt").read_text("utf-8") == done.stdout
    report = json.loads((tmp_path / "out/migration.json").read_text("utf-8"))
    assert report["variables"] is None
    assert not (tmp_path / "out/model").exists()


def test_outputs_that_are_not_written_to(workspace, tmp_path):
    for target in (workspace, tmp_path):
        with pytest.raises(OutputError, match="is or holds the old folder"):
            migrate(workspace, target)
    (tmp_path / "link").symlink_to(workspace)
    for target in (workspace / "migrated", tmp_path / "link/models/migrated"):
        with pytest.raises(OutputError, match=r"is in the old folder.*Choose a folder beside .*training_demo\."):
            migrate(workspace, target)
        assert not target.exists()
    write(tmp_path / "other/mine.txt")
    with pytest.raises(OutputError, match=r"mine\.txt, which this command did not write"):
        migrate(workspace, tmp_path / "other", overwrite=True)
    write(tmp_path / "trained/model/run.json")
    write(tmp_path / "trained/migration.json")
    with pytest.raises(OutputError, match="was trained on since it was migrated"):
        migrate(workspace, tmp_path / "trained", overwrite=True)
