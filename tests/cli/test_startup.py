"""A help page does not wait for TensorFlow: a fresh interpreter prints each, and then says what it had to load."""

import json
import subprocess
import sys

import pytest

from odtk.cli.label_map import label_map
from odtk.cli.main import COMMANDS

HEAVY = (
    "tensorflow",
    "tf_keras",
    "keras",
    "official",
    "orbit",
    "numpy",
    "PIL",
    "matplotlib",
    "lxml",
    "rich",
    "google.protobuf",
    "yaml",
    "imagehash",
    "scipy",
    "pycocotools",
    "apache_beam",
)

SHOW_HELP_AND_REPORT = """
import json, sys
from odtk.cli.main import cli
try:
    cli(sys.argv[1:] + ["--help"], prog_name="odtk")
except SystemExit as exit:
    print(json.dumps({"code": exit.code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


COMMAND_LINES = [
    (),
    *((name,) for name in COMMANDS),
    *(("label-map", name) for name in label_map.commands),
    ("queue", "add"),
]


@pytest.mark.parametrize("command", COMMAND_LINES, ids=lambda words: " ".join(["odtk", *words]))
def test_help_loads_nothing_heavy(command):
    run = [sys.executable, "-c", SHOW_HELP_AND_REPORT, *command]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stderr.splitlines()[-1])
    assert report["code"] == 0, done.stderr
    assert done.stdout.startswith(" ".join(["Usage: odtk", *command]))
    assert not {name for name in HEAVY if name in report["modules"]}
