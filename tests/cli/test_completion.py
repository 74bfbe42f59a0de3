"""What Tab gives, and help in color."""

import os
import pty
import subprocess
import sys

import click
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


@pytest.mark.parametrize("words", [["train"], ["label-map"], ["label-map", "make"]])
def test_help_is_made_in_color_and_shown_so_on_terminals_only(words):
    command = cli
    for word in words:
        command = command.get_command(click.Context(cli), word)
    assert "\x1b[33mUsage: \x1b[0m" in command.get_help(command.context_class(command, info_name="x"))
    assert "\x1b" not in CliRunner().invoke(cli, [*words, "--help"], prog_name="odtk").stdout


@pytest.mark.parametrize(
    "words", [["nothing-like-it"], ["train", "--nothing-like-it"], ["--nothing-like-it"], ["label-map"]]
)
def test_wrong_usage_is_colored_on_terminals_only(words):
    assert "\x1b" not in CliRunner().invoke(cli, words, prog_name="odtk").stderr
    assert "\x1b[33mUsage: " in on_a_terminal(words)
    assert "\x1b" not in on_a_terminal(words, NO_COLOR="1")


def test_a_group_without_its_command_shows_its_help():
    shown = CliRunner().invoke(cli, ["label-map"], prog_name="odtk")
    assert shown.exit_code == 2
    assert shown.stderr.startswith("Usage: odtk label-map")
    assert r"\x1b" not in shown.stderr


def test_a_command_without_color_on_a_terminal():
    assert "\x1b[1mssd_resnet50_v1_fpn_small" in on_a_terminal(["configure", "--list"])
    assert "\x1b" not in on_a_terminal(["configure", "--list"], NO_COLOR="1")


def on_a_terminal(words, **environment):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    run = [sys.executable, "-m", "odtk", *words]
    # What fits into a terminal's buffer; a longer text would have to be read along.
    subprocess.run(run, stdout=theirs, stderr=theirs, env=os.environ | environment, timeout=60, check=False)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return terminal.read1(65536).decode()
