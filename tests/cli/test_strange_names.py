"""Names that would steer a terminal, through the commands: shown escaped on stdout and stderr, kept in files."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from odtk import label_map
from odtk.cli.main import cli

CLASS = "cat\x9b2J\u202etac"  # as a label map takes it
FILE = "img\x1b[2J\u202e\nerror: all is lost\x9b31m"
RAW = ("\x1b", "\u202e", "\x07", "\x9b")


@pytest.fixture
def data(tmp_path):
    """A YOLO set of two images, one of which cannot be decoded; both have names of that kind."""
    folder = tmp_path / "data"
    folder.mkdir()
    Image.effect_noise((100, 100), 50).save(folder / "good\x1b[2J.png")
    try:
        (folder / f"{FILE}.png").write_bytes(b"not an image")
    except OSError:
        pytest.skip("the file system does not take such names")
    for path in list(folder.iterdir()):
        path.with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.4 0.2\n")
    (folder / "data.yaml").write_text("names: " + json.dumps([CLASS]) + "\n")
    return folder


def run(*args):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="odtk")
    said = result.stdout + result.stderr
    assert not any(raw in said for raw in RAW), ascii(said)
    assert "unexpected" not in said
    assert not [line for line in said.splitlines() if line.startswith("error: all is lost")]
    return result, said


@pytest.mark.parametrize(
    "args",
    [
        ["inspect", "DATA"],
        ["make-tfrecords", "DATA", "OUT"],
        ["make-tfrecords", "DATA", "OUT", "--max-bad-fraction", "1"],
        ["label-map", "make", "DATA", "--output", "OUT"],
        ["view", "DATA", "--output", "OUT"],
        ["configure", f"nowhere{FILE}", "--check"],
        ["configure", "DATA/data.yaml", "--check"],
        ["train", f"nowhere{FILE}", "OUT"],
        [f"no-command{CLASS}"],
        ["inspect", f"--no-option{CLASS}"],
    ],
)
def test_nothing_raw_is_printed(data, tmp_path, args):
    run(*(arg.replace("DATA", str(data)).replace("OUT", str(tmp_path / "out")) for arg in args))


def test_names_are_told_in_escapes_and_written_as_they_are(data, tmp_path):
    result, said = run("make-tfrecords", data, tmp_path / "out", "--max-bad-fraction", "1")
    assert result.exit_code == 0
    assert r"cat\x9b2J\u202etac" in said
    assert r"img\x1b[2J\u202e\nerror: all is lost\x9b31m.png" in said
    assert label_map.read(tmp_path / "out" / "label_map.pbtxt").items[0].name == CLASS
    report = json.loads((tmp_path / "out" / "dataset.json").read_text())["report"]
    assert report["skipped"][0]["file"].endswith(f"{FILE}.png")


def test_a_class_that_no_label_map_takes_is_named(data, tmp_path):
    (data / "data.yaml").write_text("names: " + json.dumps(["cat\x1b]0;owned\x07"]) + "\n")
    result, said = run("make-tfrecords", data, tmp_path / "out", "--max-bad-fraction", "1")
    assert result.exit_code == 1
    assert r"The class 'cat\x1b]0;owned\x07' has a control character in its name" in said


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"caf\xc3\xa9 \xe7\x8c\xab"), ("latin-1", b"caf\xe9 \\u732b")]
)
def test_a_terminal_without_the_letters_gets_escapes(tmp_path, encoding, shown):
    label_map.write(label_map.of_names(["caf\u00e9 \u732b"]), tmp_path / "map.pbtxt")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for arguments in (["show"], ["check"]):
        command = [sys.executable, "-m", "odtk", "label-map", *arguments, str(tmp_path / "map.pbtxt")]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert arguments == ["check"] or shown in done.stdout


def test_json_has_escapes_of_its_own(data):
    result, _ = run("inspect", data, "--json")
    assert CLASS in json.loads(result.stdout)["classes"]


def test_colours_of_ours_do_not_show_in_a_pipe():
    _, said = run("configure", "ssd_resnet50_v1_fpn_640x640_pets", "--check")
    assert "note" in said
    assert r"\x1b" not in said
