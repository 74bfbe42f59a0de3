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
    condition = " and it is an earlier output of this command" if is_folder else ""
    return click.option("--overwrite", is_flag=True, help=f"Replace {output} if it exists{condition}.")


format_option = click.option(
    "--format",
    type=click.Choice(["pets", "voc", "coco", "yolo", "csv"]),
    help="Format of the annotations in a folder.  [default: detected]",
)

boxes_option = click.option(
    "--boxes",
    type=click.Choice(["xyxy", "xywh", "cxcywh", "yxyx"]),
    help="Meaning of the four numbers of a box: two corners (xyxy; yxyx with y first), top left corner and size "
    "(xywh), or center and size (cxcywh). If the boxes contradict the format's usual order, odtk says which order "
    "fits.  [default: the format's usual order]",
)


def exif_option(text: str) -> Callable:
    """The option --exif, with its help."""
    return click.option(
        "--exif", type=click.Choice(["auto", "apply", "ignore"]), default="auto", show_default=True, help=text
    )


max_bad_records_option = click.option(
    "--max-bad-records", type=click.IntRange(0), default=100, show_default=True, metavar="N",
    help="Skip and report up to N records that are damaged or have no usable image; more than N are an error. "
    "Unusable boxes do not count: the image is used without them.",
)  # fmt: skip


def example(*lines: str) -> Callable:
    """Appends an `Example:` paragraph to a command's help; to be used below `@click.command`."""

    def add(function: Callable) -> Callable:
        # The \b keeps Click from re-wrapping the paragraph. Dedented here, as the added lines have no indentation.
        paragraph = "\n\n\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
        function.__doc__ = inspect.cleandoc(function.__doc__ or "") + paragraph
        return function

    return add


def warn(text: str) -> None:
    """A warning on stderr, in the one form that all commands use."""
    click.echo(f"warning: {text}", err=True)


def log(line: str) -> None:
    """A line on stderr, above a progress bar if one is shown; click.echo would write into the bar."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """The one JSON document of a command run with --json, on stdout; NaN and infinity become null."""
    click.echo(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: object):
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_WHOLE_NAME = 32


def print_table(title: str, columns: list[str], rows: list[list], least_width: int = 0) -> None:
    """A table on stdout: the first column aligned left, the others right; text is printed as is, without markup.

    Where it is too wide, names of usual lengths in the first column stay whole, and the other columns are folded.
    Where the output goes to a program, it may be `least_width` columns wide, more than a terminal's usual 80.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=cell(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    whole = all(len(str(row[0])) <= _WHOLE_NAME for row in rows)
    for index, column in enumerate(columns):
        first = index == 0
        table.add_column(cell(column), justify="left" if first else "right", overflow="fold", no_wrap=first and whole)
    for row in rows:
        table.add_row(*map(cell, row))
    console = Console()
    if not sys.stdout.isatty():
        console.width = max(console.width, least_width)
    console.print(table)


def cell(value: object):
    """A cell of a rich table, without markup; escaped here, as rich bypasses the streams that escape."""
    from rich.text import Text

    return Text(on_one_line(str(value)))


DEVICES = "auto|cpu|gpu:0,1|all"
"""What --devices may be."""


def tpu_option(verb: str) -> Callable:
    """The option --tpu of a command that does `verb` on a TPU."""
    return click.option(
        "--tpu", metavar="local|NAME|grpc://HOST:PORT",
        help=f"{verb} on the cores of a TPU: the one that is attached to this machine (local), or one that is reached "
        "over the network.",
    )  # fmt: skip


def precision_option(default: str) -> Callable:
    """The option --precision."""
    return click.option(
        "--precision", type=click.Choice(["auto", "float32", "float16", "bfloat16"]), default=default,
        show_default=True, help="What the network computes in; weights and losses stay float32. auto: bfloat16 "
        "on TPUs and on GPUs from Ampere on, float16 on Volta and Turing, else float32.",
    )  # fmt: skip


checkpoint_option = click.option(
    "--checkpoint",
    type=any_path,
    metavar="best|last|PREFIX",
    help="The checkpoint that was best while it was trained, the last one, or one by its prefix, e.g. model/ckpt-600.  "
    "[default: the best where there is one, else the last]",
)
