"""What Tab gives, and help in colour."""

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from odtk.cli.main import COMMANDS, cli


def completed(*words, incomplete=""):
    found = ShellComplete(cli, {}, "odtk", "_ODTK_COMPLETE").get_completions(list(words), incomplete)
    return {(item.type, item.value) for item in found}


def test_commands_options_pipelines_and_files_are_completed():
    assert completed() == {("plain", name) for name in COMMANDS}
    assert ("plain", "--checkpoint-every") in completed("train", incomplete="--check")
    names = completed("configure", incomplete="ssd_resnet50")
    assert {("plain", "ssd_resnet50_v1_fpn_small"), ("file", "ssd_resnet50")} <= names
    assert ("plain", "ssd_resnet101_v1_fpn_640x640_pets") not in names
    assert completed("train", incomplete="my") == {("file", "my")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell):
    result = CliRunner().invoke(cli, ["completion", shell], prog_name="odtk")
    assert result.exit_code == 0
    assert f"_ODTK_COMPLETE={shell}_complete" in result.stdout


def test_bash_understands_its_script():
    script = CliRunner().invoke(cli, ["completion", "bash"], prog_name="odtk").stdout
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["label-map", "make", "--help"]])
def test_help_is_coloured_where_colour_is_shown(words):
    coloured = CliRunner().invoke(cli, words, prog_name="odtk", color=True).stdout
    plain = CliRunner().invoke(cli, words, prog_name="odtk").stdout
    assert "\x1b[33mUsage: \x1b[0m" in coloured
    assert "\x1b[36m" in coloured
    assert "\x1b" not in plain


def test_no_color_is_respected():
    script = "from odtk.cli import main; print(main.cli.context_settings['color'])"
    for value, color in (("1", "False"), ("", "None")):
        run = [sys.executable, "-c", script]
        done = subprocess.run(run, env=os.environ | {"NO_COLOR": value}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == color
