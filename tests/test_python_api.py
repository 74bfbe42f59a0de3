"""`import odtk`: functions with the commands' names and options, found when they are asked for."""

import inspect
import pkgutil

import click
import pytest

import odtk
from odtk.cli.main import COMMANDS, cli
from odtk.tools import demo, label_map

# Options that are for the terminal alone, and those whose name Python has taken or that are several values there.
TERMINAL = {"json", "list", "list_layers", "check", "init", "depth"}
RENAMED = {
    ("view", "class"): "class_names",
    ("view", "file"): "files",
    ("run", "from"): "from_stage",
    ("download", "from"): "from_files",
}
# What a function takes beside the options: functions to call.
PYTHON = {"log", "callbacks", "should_stop", "watch_for_stop"}

FUNCTIONS = {
    **{
        name: getattr(odtk, name.replace("-", "_"))
        for name in COMMANDS
        if name.replace("-", "_") in odtk.__all__ and name != "studio"
    },
    "demo": demo.demo,
    **{f"label-map {name}": getattr(label_map, name) for name in ("check", "make", "show")},
}


def command(line: str) -> click.Command:
    found = cli
    for name in line.split():
        found = found.get_command(click.Context(found), name)
    return found


def keyword(line: str, parameter: click.Parameter) -> str:
    """What an option or argument is called in Python."""
    if isinstance(parameter, click.Argument):
        return parameter.name
    (name,) = [name[2:] for name in parameter.opts if name.startswith("--")]
    return RENAMED.get((line, name), name.replace("-", "_"))


def parameters(line: str) -> dict[str, click.Parameter]:
    found = {keyword(line, each): each for each in command(line).params}
    # `odtk run --init` is a function of its own, odtk.init_project.
    return {name: each for name, each in found.items() if name not in TERMINAL and (line, name) != ("run", "overwrite")}


def test_every_command_but_completion_and_queue_which_is_a_class_has_a_function():
    assert {line.split()[0] for line in FUNCTIONS} == set(COMMANDS) - {"completion", "queue", "studio"}
    assert callable(odtk.studio)  # in a notebook, so with other options: tests/web/test_notebook_studio.py


@pytest.mark.parametrize("line", FUNCTIONS)
def test_keywords_are_the_options(line):
    taken = inspect.signature(FUNCTIONS[line]).parameters
    assert set(taken) - PYTHON == set(parameters(line))
    # So that an error's `argument` leads to the option, and `**settings` can be handed on.
    assert {each.name for each in parameters(line).values()} == set(parameters(line))


@pytest.mark.parametrize("line", FUNCTIONS)
def test_defaults_are_those_of_the_options(line):
    taken = {name: each for name, each in inspect.signature(FUNCTIONS[line]).parameters.items() if name not in PYTHON}
    ours = {name: each.default for name, each in taken.items() if each.default not in (None, (), each.empty)}
    context = click.Context(command(line))
    given = {name: each.get_default(context) for name, each in parameters(line).items() if name in ours}
    assert given == ours
    shown = {name for name, each in parameters(line).items() if getattr(each, "show_default", False)}
    assert shown <= set(ours)


def test_all_names_are_found_and_none_is_a_module():
    # A submodule of a name would take its place as soon as it is imported.
    assert not {module.name for module in pkgutil.iter_modules(odtk.__path__)} & set(odtk.__all__)
    assert dir(odtk) == sorted(odtk.__all__)
    for name in odtk.__all__:
        assert getattr(odtk, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'odtk' has no attribute 'trian'"):
        odtk.trian  # noqa: B018
