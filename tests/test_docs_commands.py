"""Every `odtk ...` of README and the docs is a command that exists, with options that it has."""

import re
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from docs_site.commands import block_commands, named_commands  # noqa: E402
from odtk.cli.main import cli  # noqa: E402
from odtk.cli.queued_command import check_command  # noqa: E402

GENERATED = ROOT / "docs/cli.md"  # from the commands' own help, whose examples tests/cli/test_documentation.py checks
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != GENERATED)]
IN_BLOCKS = [command for page in PAGES for command in block_commands(page)]
NAMED = [command for page in PAGES for command in named_commands(page)]
NOT_JOBS = ("start", "stop", "wait", "logs")  # of the queue: they cannot be jobs, which is what check_command checks
PLACEHOLDERS = {"COMMAND", "CONFIG", "MODEL_DIR"}


def checked(words):
    """Parses the words as odtk would, and what they put into the queue, too."""
    if words[0] == "queue" and words[1:2] and words[1] in NOT_JOBS:
        group = cli.get_command(click.Context(cli), "queue")
        group.commands[words[1]].make_context(words[1], list(words[2:]))
        return
    check_command(cli, words)
    if words[:2] == ("queue", "add"):
        inner = words[words.index("--") + 1 :]
        check_command(cli, inner[1:] if inner[0] == "odtk" else inner)


@pytest.mark.parametrize("command", IN_BLOCKS, ids=str)
def test_a_line_is_one_that_odtk_takes(command):
    checked(command.words)


def options(words):
    """The command's options, by their names, and the words that are given to it."""
    found, rest = cli.get_command(click.Context(cli), words[0]), list(words[1:])
    if isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        found, rest = found.commands[rest[0]], rest[1:]
    assert found is not None, f"there is no command {words[0]}"
    return {name for param in found.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}, rest


@pytest.mark.parametrize("command", NAMED, ids=str)
def test_what_the_text_names_exists(command):
    words = [word for word in command.words if word not in ("--debug",)]
    if words[0] in PLACEHOLDERS:
        return
    if words[0].startswith("-"):
        assert words[0] in {name for param in cli.params for name in param.opts} | {"--help"}
        return
    known, rest = options(words)
    rest = rest[: rest.index("--")] if "--" in rest else rest
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known


def test_extras_and_targets_that_are_named_exist():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    pyproject, makefile = (ROOT / "pyproject.toml").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    extras = {name for names in re.findall(r"\bodtk\[([a-z,]+)\]", text) for name in names.split(",")}
    targets = set(re.findall(r"(?:`| {4})make ([a-z-]+)", text))
    assert {"gpu", "track"} <= extras
    assert [name for name in extras if not re.search(rf"^{name} = \[", pyproject, re.MULTILINE)] == []
    assert {"demo", "docs"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_many_are_checked():
    assert len(IN_BLOCKS) > 80
    assert len(NAMED) > 120


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("    odtk train a b  # a comment\n", [("train", "a", "b")]),
        ("```\n$ odtk configure a \\\n    --check\n```\n", [("configure", "a", "--check")]),
        (
            "    find . | odtk predict m - --output f && odtk doctor\n",
            [("predict", "m", "-", "--output", "f"), ("doctor",)],
        ),
        ("    Next: odtk train a b\n", []),
        ("odtk train a b\n", []),
        ("    odtk run 'a b/*.jpg'\n", [("run", "a b/*.jpg")]),
    ],
)
def test_which_lines_are_commands(tmp_path, text, commands):
    page = tmp_path / "page.md"
    page.write_text(text)
    assert [command.words for command in block_commands(page)] == commands


@pytest.mark.parametrize(
    "words", [("train", "a", "b", "--nosuch"), ("nosuch",), ("configure", "a", "--batch-size", "x")]
)
def test_a_mistake_in_a_line_is_found(words):
    with pytest.raises(click.ClickException):
        checked(words)
