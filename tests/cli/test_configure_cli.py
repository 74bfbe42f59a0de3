"""`odtk configure` on the command line: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from odtk import pipeline, resources
from odtk.cli.main import cli

SEED = Path(__file__).parents[1] / "data/seed_pipeline.config"


@pytest.fixture
def odtk(tmp_path, monkeypatch):
    """Runs `odtk configure` in a folder that holds base.config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    (tmp_path / "base.config").write_bytes(SEED.read_bytes())
    return lambda *args: CliRunner().invoke(cli, ["configure", *args])


def test_the_diff_then_the_notes_then_the_findings(odtk):
    result = odtk("base.config", "--output", "out.config", "--batch-size", "8", "--image-size", "300x320")
    assert result.exit_code == 0, result.output
    parts = [
        "--- base.config\n+++ out.config\n",
        "-        height: 640\n-        width: 640\n+        height: 300\n+        width: 320\n",
        "learning_rate_base 0.04 -> 0.005",
        "Wrote out.config.",
        "Check of out.config: 1 error, 4 warnings,",
        "error: model.ssd.image_resizer.fixed_shape_resizer.height (line 6)\n    is 300,",
        "    $ odtk configure out.config --output out.config --image-size 320x320\n",
        "note: 7 fields that are set have no effect, as in TFOD; to list them: odtk configure out.config --check\n",
        "Next: odtk configure out.config --output out.config --image-size 320x320\n",
    ]
    places = [result.stdout.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_check_writes_nothing_and_ends_with_1_on_errors_only(odtk, tmp_path):
    good = odtk("base.config", "--check")
    assert good.exit_code == 0
    assert "no errors, 4 warnings" in good.stdout
    bad = tmp_path / "bad.config"
    bad.write_text(pipeline.set_fields(SEED.read_text("utf-8"), [("train_config.batch_size", "0")], "seed"), "utf-8")
    before = bad.read_bytes()
    assert odtk("bad.config", "--check").exit_code == 1
    assert bad.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"base.config", "bad.config"}


def test_check_as_json(odtk):
    result = odtk("base.config", "--check", "--json")
    document = json.loads(result.stdout)
    assert document["config"] == "base.config"
    finding = next(f for f in document["findings"] if f["path"] == "train_input_reader.label_map_path")
    assert (finding["severity"], finding["line"]) == ("warning", 172)
    assert finding["fix"].startswith("odtk configure base.config --output base.config --label-map")


def test_configure_as_json(odtk):
    result = odtk("base.config", "--output", "out.config", "--num-classes", "4", "--json")
    document = json.loads(result.stdout)
    assert document["changes"] == [{"path": "model.ssd.num_classes", "before": "37", "after": "4"}]
    assert document["output"] == "out.config"
    assert "+    num_classes: 4 # Set this" in document["diff"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "Add --output FILE to write the config"),
        (["--check", "--output", "x"], "--check writes nothing"),
        (["--check", "--num-steps", "5"], "--num-steps needs --output"),
        (["--output", "x", "--image-size", "640,480"], "not HEIGHTxWIDTH"),
        (["--output", "x", "--image-size", "0"], "not HEIGHTxWIDTH"),
        (["--list"], "--list can only be combined with --json"),
        (["--output", "x", "--set", "train_config.batch_size"], "not PATH=VALUE"),
        (["--output", "x", "--batch-size", "0"], "--batch-size"),
        (["--output", "x", "--learning-rate", "0"], "--learning-rate"),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(odtk, tmp_path, args, words):
    result = odtk("base.config", *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["base.config"]


def test_a_value_of_the_wrong_type_is_one_paragraph(odtk):
    result = odtk("base.config", "--output", "x", "--set", "train_config.batch_size=many")
    assert result.exit_code == 1
    assert result.stderr == "error: train_config.batch_size: batch_size takes a whole number of 0 or more, not many.\n"


def test_nothing_changed(odtk, tmp_path):
    result = odtk("base.config", "--output", "out.config")
    assert result.stdout.startswith("No changes.\nWrote out.config.\n")
    assert (tmp_path / "out.config").read_bytes() == SEED.read_bytes()


def test_what_has_no_effect_is_counted_here_and_listed_by_check(odtk):
    assert "sync_replicas" not in odtk("base.config", "--output", "out.config").stdout
    assert "note: train_config.sync_replicas (line 146): has no effect" in odtk("out.config", "--check").stdout


def test_one_number_is_the_side_of_a_square(odtk, tmp_path):
    odtk("base.config", "--output", "out.config", "--image-size", "256")
    size = pipeline.read(tmp_path / "out.config").model.ssd.image_resizer.fixed_shape_resizer
    assert (size.height, size.width) == (256, 256)


def test_a_file_that_exists_is_replaced_with_overwrite_only(odtk, tmp_path):
    output = tmp_path / "out.config"
    output.write_text("mine", "utf-8")
    refused = odtk("base.config", "--output", "out.config")
    assert refused.exit_code == 1
    assert "out.config already exists. To edit it in place, run" in refused.stderr
    assert output.read_text("utf-8") == "mine"
    assert odtk("base.config", "--output", "out.config", "--overwrite").exit_code == 0
    assert output.read_bytes() == SEED.read_bytes()


def test_the_base_itself_is_edited_in_place_however_it_is_named(odtk, tmp_path):
    (tmp_path / "link.config").symlink_to("base.config")
    for name, classes in (("base.config", 5), ("./base.config", 6), ("link.config", 7)):
        assert odtk("base.config", "--output", name, "--num-classes", str(classes)).exit_code == 0
        assert pipeline.read(tmp_path / "base.config").model.ssd.num_classes == classes


def test_the_next_command_is_to_train_once_nothing_is_left_to_fill_in(odtk, tmp_path):
    open_ends = odtk("ssd_resnet50_v1_fpn_small", "--output", "out.config")
    assert "\nNext: odtk configure out.config --output out.config --" in open_ends.stdout
    records = ["--train-records", "/data/train.record", "--eval-records", "/data/val.record", "--label-map", "/data/m"]
    filled = odtk("out.config", "--output", "out.config", *records)
    assert filled.stdout.endswith("\nNext: odtk train out.config MODEL_DIR\n")


def test_the_list_has_what_each_shipped_pipeline_is_for(odtk):
    listed = json.loads(odtk("--list", "--json").stdout)
    assert {each["name"] for each in listed} == set(resources.shipped_files("pipelines", ".config"))
    assert listed == sorted(listed, key=lambda each: (each["image_size"], each["million_weights"]))
    (small,) = (each for each in listed if each["name"] == "ssd_resnet50_v1_fpn_small")
    assert (small["image_size"], small["batch_size"], small["million_weights"]) == ([160, 160], 8, 1.9)
    text = odtk("--list").stdout
    for each in listed:
        assert each["name"] in text
        assert each["use"] in text
        assert each["speed"] in text
    assert max(map(len, text.splitlines())) < 120


def test_a_base_is_asked_for(odtk):
    result = odtk("--check")
    assert result.exit_code == 2
    assert "--list shows the shipped ones" in result.stderr
