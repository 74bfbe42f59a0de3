"""The Click context of every command: its help is in color, and it is remembered when the command fails.

Click removes the color codes wherever the output is not a terminal.
"""

import dataclasses
import shlex
from collections.abc import Iterable
from typing import Any

import click

from odtk.errors import OdtkError

_FAILED = "odtk.failed_context"
_TYPED = "odtk.typed_arguments"


class ColoredHelp(click.HelpFormatter):
    """Click's formatter with headings, commands and options in color."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The first line of a help page."""
        super().write_usage(click.style(prog, bold=True), args, prefix or click.style("Usage: ", fg="yellow"))

    def write_heading(self, heading: str) -> None:
        """The title of a list."""
        super().write_heading(click.style(heading, fg="yellow"))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """A list of options or commands."""
        super().write_dl([(click.style(name, fg="cyan"), text) for name, text in rows], col_max, col_spacing)


class CommandContext(click.Context):
    """A context with colored help that `option_sentence` can ask for the command that failed."""

    formatter_class = ColoredHelp

    def invoke(self, *args, **kwargs):
        """As Click does. Contexts of one run share `meta`, so the root finds there which command failed."""
        try:
            return super().invoke(*args, **kwargs)
        except OdtkError:
            self.meta[_FAILED] = self
            raise


def use_command_context(command: click.Command) -> click.Command:
    """Gives the command, and the commands in it, a CommandContext; returns it."""
    command.context_class = CommandContext
    for inner in getattr(command, "commands", {}).values():
        use_command_context(inner)
    return command


def remember_command(root: click.Context, arguments: Iterable[str]) -> None:
    """Notes the words after `odtk`, for `typed_command`."""
    root.meta[_TYPED] = tuple(arguments)


def typed_command(ctx: click.Context) -> str:
    """The user's own command, to be pasted into a shell."""
    return shlex.join(["odtk", *ctx.meta[_TYPED]])


def option_sentence(root: click.Context, argument: str | None) -> str:
    """A sentence with the option of the failed command for an error's `argument`; "" if there is none."""
    failed = root.meta.get(_FAILED)
    return parameter_sentence(failed.command, argument) if failed and argument else ""


def refusal_document(root: click.Context, error: OdtkError) -> dict[str, Any] | None:
    """What a command that failed prints with --json: the error, and the options that would help; None without such."""
    failed = root.meta.get(_FAILED)
    if failed is None or not error.options or not failed.params.get("as_json"):
        return None
    rows = [dataclasses.asdict(each) for each in error.options]
    return {"error": str(error), "options": [{**row, "command": row["command"] or failed.info_name} for row in rows]}


def parameter_sentence(command: click.Command, argument: str) -> str:
    """A sentence with the option or argument of a command that sets a tool's keyword argument; "" if there is none."""
    option = f"--{argument.replace('_', '-')}"
    for parameter in command.params:
        names = (*parameter.opts, *parameter.secondary_opts)
        if isinstance(parameter, click.Option) and (option in names or parameter.name == argument):
            return f"Option: {option if option in names else max(parameter.opts, key=len)}."
        if parameter.name == argument:
            return f"Argument: {parameter.human_readable_name.removesuffix('...')}."
    return ""
