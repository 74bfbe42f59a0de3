"""Checks the command of a job when it is added, as a mistake in it would else be found in the night."""

import copy
from collections.abc import Sequence

import click

# They would wait for the worker that runs them, or start a second one in its place.
_NOT_IN_A_QUEUE = (("queue", "start"), ("queue", "stop"), ("queue", "wait"), ("queue", "logs"))


def check_command(root: click.Group, words: Sequence[str]) -> None:
    """Parses the words of an odtk command as `root` would, and runs nothing.

    Raises Click's error for a command or an option that does not exist, and for values that are not allowed. Files and
    folders may be absent, as an earlier job may make them; what the command itself checks is not checked here.
    """
    command: click.Command = root
    context, rest = _context(root, "odtk", None), list(words)
    names: tuple[str, ...] = ()
    while isinstance(command, click.Group):
        if _prints_only(command, context, rest):
            return
        _, rest, _ = command.make_parser(context).parse_args(rest)
        if not rest:
            raise click.UsageError(f"Which command of {context.command_path} is the job to run?", ctx=context)
        name, found, rest = _resolved(command, context, rest)
        command, names = _without_existence(found), (*names, name)
        parent, context = context, _context(command, name, context)
    if names in _NOT_IN_A_QUEUE:
        raise click.UsageError(
            f"odtk {' '.join(names)} cannot be a job: it would wait for the worker that runs it. To wait for other "
            "jobs, use --after."
        )
    if not _prints_only(command, context, rest):
        command.make_context(names[-1], rest, parent=parent)


def _resolved(group: click.Group, context: click.Context, words: list[str]) -> tuple[str, click.Command, list[str]]:
    try:
        name, found, rest = group.resolve_command(context, words)
    except click.UsageError as error:
        text = f"{error.message} A job is one of the commands of {context.command_path}."
        raise click.UsageError(text, ctx=error.ctx) from None
    assert found is not None
    return str(name), found, rest


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return command.context_class(command, info_name=name, parent=parent, **command.context_settings)


def _prints_only(command: click.Command, context: click.Context, words: list[str]) -> bool:
    """Whether --help or --version is among the options, which print as soon as Click processes them."""
    given, _, _ = command.make_parser(context).parse_args(list(words))
    asking = command.get_help_option(context)
    return any(given.get(name) for name in ("version", str(asking and asking.name)))


def _without_existence(command: click.Command) -> click.Command:
    """The same command, except that paths need not exist."""
    if isinstance(command, click.Group):
        return command
    command = copy.copy(command)
    command.params = [_lenient(parameter) for parameter in command.params]
    return command


def _lenient(parameter: click.Parameter) -> click.Parameter:
    if not isinstance(parameter.type, click.Path):
        return parameter
    kind = copy.copy(parameter.type)
    kind.exists = False
    parameter = copy.copy(parameter)
    parameter.type = kind
    return parameter
