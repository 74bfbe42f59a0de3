"""Every command is documented, and docs/cli.md says what the commands' own help says."""

import ast
import html
import os
import re
import shlex
from pathlib import Path

import click
import pytest

from odtk.cli.command_context import parameter_sentence
from odtk.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PACKAGE, REFERENCE = ROOT / "odtk", ROOT / "docs/cli.md"
ACCEPT = "ODTK_ACCEPT=1 .venv/bin/python -m pytest tests/cli/test_documentation.py"

HEAD = f"""# The commands of odtk

Made from the commands' own help by `{ACCEPT}`: change the help in `odtk/cli/`, not this page.
Every command also answers to `--help`, and `odtk --debug COMMAND ...` shows the traceback of an error.
"""


def every_command():
    """Each command by its words, those of a group of commands after it."""
    group = click.Context(cli, info_name="odtk")
    for name in COMMANDS:
        found = cli.get_command(group, name)
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", found.commands[inner]) for inner in found.commands)


@pytest.fixture(params=[name for name, _ in every_command()])
def command(request):
    """A command and the context in which Click would print its help."""
    found = dict(every_command())[request.param]
    return found, click.Context(found, info_name=request.param, parent=click.Context(cli, info_name="odtk"))


def options_of(found):
    return [param for param in found.params if isinstance(param, click.Option)]


def example_lines(found):
    """The command lines of the help's Example, those ending in a backslash joined with the next."""
    example = found.help.split("\b\nExample:\n")[1].split("\n\n")[0]
    return [line.strip() for line in example.replace("\\\n", " ").splitlines()]


def test_help_is_sentences_with_an_example(command):
    found, _ = command
    first = found.help.split("\n\n")[0].strip()
    assert re.match(r"[A-Z].*\.$", first, re.DOTALL), f"not a sentence: {first!r}"
    assert example_lines(found), "no Example: use odtk.cli.options.example"


def test_every_option_has_help_that_ends_in_a_full_stop(command):
    found, _ = command
    for option in options_of(found):
        # What stands in brackets after the sentence is the default in words.
        said = re.sub(r"\s*\[.*\]$", "", option.help or "")
        assert re.fullmatch(r"[A-Z`0-9].*\.", said, re.DOTALL), f"{option.opts[0]}: {option.help!r}"


def test_examples_use_options_that_exist(command):
    found, context = command
    inner = found.commands.values() if isinstance(found, click.Group) else ()
    options = [option for each in (found, *inner) for option in options_of(each)]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    name = ["odtk", *context.info_name.split()]
    own = [words for words in map(shlex.split, example_lines(found)) if words[: len(name)] == name]
    assert own, "no example of the command itself"
    own = [words[: words.index("--")] if "--" in words else words for words in own]  # then another command's follow
    used = {word.partition("=")[0] for words in own for word in words if word.startswith("--")}
    assert used <= known


def test_the_arguments_that_errors_name_are_parameters_of_commands():
    trees = [ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py") if not path.stem.endswith("_pb2")]
    raised = [node.exc for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    keywords = [keyword for error in raised if isinstance(error, ast.Call) for keyword in error.keywords]
    named = {word.value.value for word in keywords if word.arg == "argument" and isinstance(word.value, ast.Constant)}
    assert "overwrite" in named
    commands = [found for _, found in every_command()]
    of_python_alone = {"image"}  # of odtk.load(...).detect
    assert of_python_alone == {n for n in named if not any(parameter_sentence(command, n) for command in commands)}


def reference():
    """The whole reference page, in Markdown."""
    group = click.Context(cli, info_name="odtk")
    return "\n".join([HEAD, *(section(found, name, group) for name, found in every_command())])


def section(found, name, group):
    """One command: usage, help, options."""
    context = click.Context(found, info_name=name, parent=group)
    usage = " ".join(["odtk", name, *found.collect_usage_pieces(context)])
    paragraphs = [markdown(paragraph) for paragraph in re.split(r"\n\n", found.help.strip())]
    records = [option.get_help_record(context) for option in options_of(found)]
    cells = [[" ".join(cell.split()) for cell in record] for record in records]
    rows = (f"| {code(names)} | {without_bars(text)} |" for names, text in cells)
    table = ["| option | what it does |", "| --- | --- |", *rows, ""]
    return "\n".join([f"## odtk {name}", "", f"    {usage}", "", *(f"{text}\n" for text in paragraphs), *table])


def code(text):
    """Code in a cell of a table. A bar, as in [png|numerical], would end the cell, and not all readers take `\\|`."""
    return f"`{text}`" if "|" not in text else f"<code>{without_bars(html.escape(text, quote=False))}</code>"


def without_bars(text):
    return text.replace("|", "&#124;")


def markdown(paragraph):
    """A paragraph of Click's help: one that Click must not wrap becomes a block of code, title apart."""
    if not paragraph.lstrip().startswith("\b"):
        return " ".join(paragraph.split())
    title, *lines = paragraph.split("\b\n")[1].splitlines()
    return "\n".join([title, "", *(f"    {line.removeprefix('  ')}" for line in lines)])


def test_the_reference_page_says_what_the_help_says():
    if os.environ.get("ODTK_ACCEPT"):
        REFERENCE.parent.mkdir(exist_ok=True)
        REFERENCE.write_text(reference(), encoding="utf-8")
    written = REFERENCE.read_text(encoding="utf-8") if REFERENCE.exists() else ""
    assert written == reference(), f"docs/cli.md is behind; bring it up to date with:\n  {ACCEPT}"
