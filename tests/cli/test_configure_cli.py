"""`odtk configure` on the command line: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from odtk import pipeline
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
        "error model.ssd.image_resizer.fixed_shape_resizer.height (line 6)\n    is 300,",
        "    $ odtk configure out.config --output out.config --image-size 320x320\n",
        "information train_config.sync_replicas (line 146): has no effect",
    ]
    places = [result.stdout.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_check_writes_nothing_and_ends_with_1_on_errors_only(odtk, tmp_path):
    good = odtk("base.config", "--check")
    assert good.exit_code == 0
    assert "0 errors, 4 warnings" in good.stdout
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
        ([], "--output FILE, or --check"),
        (["--check", "--output", "x"], "--check writes nothing"),
        (["--check", "--num-steps", "5"], "--num-steps needs --output"),
        (["--output", "x", "--image-size", "640"], "not HEIGHTxWIDTH"),
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
    assert result.stderr == "Error: train_config.batch_size: batch_size takes a whole number of 0 or more, not many.\n"


def test_nothing_changed(odtk, tmp_path):
    result = odtk("base.config", "--output", "out.config")
    assert result.stdout.startswith("Nothing changed.\nWrote out.config.\n")
    assert (tmp_path / "out.config").read_bytes() == SEED.read_bytes()
