"""Options and arguments that several commands share, and how they print."""

import inspect
import json
import math
import sys
from collections.abc import Callable

import click

from odtk.terminal_text import on_one_line

existing_file = click.Path(exists=True, dir_okay=False)
existing_folder = click.Path(exists=True, file_okay=False)
any_path = click.Path()

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


def overwrite_option(output: str, is_folder: bool = False) -> Callable:
    """--overwrite of a command that writes `output`: no command replaces what exists unless it is given."""
    condition = ", where that is an earlier output of this command," if is_folder else ""
    return click.option("--overwrite", is_flag=True, help=f"Replace {output}{condition} instead of refusing to.")


format_option = click.option(
    "--format",
    type=click.Choice(["pets", "voc", "coco", "yolo", "csv"]),
    help="What the annotations of a folder are.  [default: guessed]",
)

boxes_option = click.option(
    "--boxes",
    type=click.Choice(["xyxy", "xywh", "cxcywh", "yxyx"]),
    help="What the four numbers of a box are: two corners (xyxy; yxyx with y before x), the upper left corner and the "
    "size (xywh), or the centre and the size (cxcywh). Where the boxes show that the format's own order is wrong, "
    "odtk says which one fits.  [default: what the format says]",
)

max_bad_records_option = click.option(
    "--max-bad-records", type=click.IntRange(0), default=100, show_default=True, metavar="N",
    help="Leave out and name up to so many records that are damaged or hold no image that can be used; more are an "
    "error, and with 0 the first one is. Boxes that cannot be used do not count: images are used without them.",
)  # fmt: skip


def example(*lines: str) -> Callable:
    """Appends an `Example:` paragraph to a command's help; use it below `@click.command`."""

    def add(function: Callable) -> Callable:
        # The \b keeps Click from re-wrapping the paragraph. Dedented here, as the added lines have no indentation.
        paragraph = "\n\n\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
        function.__doc__ = inspect.cleandoc(function.__doc__) + paragraph
        return function

    return add


def log(line: str) -> None:
    """A line on stderr, above a progress bar that is being shown; click.echo would write into that."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """The one JSON document of a command run with --json, to stdout; null stands for what JSON has no number for."""
    click.echo(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: object):
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: list[str], rows: list[list]) -> None:
    """A table on stdout: the first column to the left, the others to the right; all text is as it is, no markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=cell(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(cell(column), justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)


def cell(value: object):
    """A cell of a rich table: escaped and on one line, as rich writes past the streams that escape; no markup."""
    from rich.text import Text

    return Text(on_one_line(str(value)))
