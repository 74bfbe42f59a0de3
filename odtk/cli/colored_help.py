"""Help pages in colour, on terminals: Click takes the codes out wherever output goes elsewhere."""

from collections.abc import Sequence

import click


class ColoredHelp(click.HelpFormatter):
    """Click's formatter with headings, commands and options in colour."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The first line of a help page."""
        super().write_usage(click.style(prog, bold=True), args, prefix or click.style("Usage: ", fg="yellow"))

    def write_heading(self, heading: str) -> None:
        """The title of a list."""
        super().write_heading(click.style(heading, fg="yellow"))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """A list of options or commands."""
        super().write_dl([(click.style(name, fg="cyan"), text) for name, text in rows], col_max, col_spacing)


class ColoredContext(click.Context):
    """A context whose help is in colour."""

    formatter_class = ColoredHelp


def color_help(command: click.Command) -> click.Command:
    """The command, with its help and that of the commands in it in colour."""
    command.context_class = ColoredContext
    for inner in getattr(command, "commands", {}).values():
        color_help(inner)
    return command
