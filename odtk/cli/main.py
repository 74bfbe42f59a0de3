"""The `odtk` command: finds the subcommands, and turns every error into one paragraph and an exit code."""

import contextlib
import functools
import importlib
import json
import logging
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import TextIO

import click

from odtk.cli.command_context import (
    CommandContext,
    option_sentence,
    refusal_document,
    remember_command,
    use_command_context,
)
from odtk.cli.library_noise import quiet_libraries
from odtk.cli.stop_signals import Terminated, exit_code, raise_terminated
from odtk.cli.version import print_versions
from odtk.cli.wrong_options import answering_wrong_options
from odtk.errors import OdtkError
from odtk.system_errors import as_os_error, describe
from odtk.terminal_text import escaped, escaping_streams

# In the order of use, which is the order on the help page.
GROUPS = {
    "Data": ("inspect", "view", "correct", "label-map", "make-tfrecords"),
    "Training": ("configure", "summary", "train", "evaluate"),
    "Trained detectors": ("export", "benchmark", "predict", "explain"),
    "Downloads and other tools": ("download", "push", "migrate"),
    "All steps": ("run", "studio", "demo", "queue"),
    "This machine": ("doctor", "completion"),
}
COMMANDS = tuple(name for names in GROUPS.values() for name in names)

READS_IMAGES = {
    "inspect",
    "view",
    "correct",
    "make-tfrecords",
    "train",
    "evaluate",
    "export",
    "migrate",
    "benchmark",
    "predict",
    "explain",
    "run",
    "demo",
}

# A line feed in a file or class name could make the rest of the name look like a message of odtk.
_FAKE_MESSAGE = re.compile(r"\n(?=[Ee]rror|[Ww]arning|[Nn]ote|Next|Usage|\$)")


# Click itself checks for a terminal, but not for https://no-color.org.
_COLOR = False if os.environ.get("NO_COLOR") else None

_HELP_AS_ERROR = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since Click 8.2


class Commands(click.Group):
    """Imports a command's module only when the command is used, and reports its errors."""

    context_class = CommandContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of COMMANDS."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands of the help page, by GROUPS."""
        width = max(map(len, COMMANDS))
        limit = formatter.width - 6 - width
        for title, names in GROUPS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(f"{name:{width}}", each.get_short_help_str(limit)) for name, each in found if each]
            with formatter.section(title):
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command from `odtk/cli/<name>.py`, or None if there is no such command."""
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        return use_command_context(getattr(importlib.import_module(f"odtk.cli.{module}"), module))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As Click does; an option that belongs to a subcommand gets an error that says so."""
        remember_command(ctx, args)
        with _explaining_usage_errors(self):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]):
        """As Click does; for a command that does not exist the error suggests the nearest one."""
        import difflib

        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context):
        """Runs the command; every exception ends in a message, not a traceback."""
        # The streams remove colors where needed; unlike Click they show other control sequences, escaped.
        ctx.color = True
        with escaping_streams():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context):
        try:
            with _explaining_usage_errors(self):
                result = super().invoke(ctx)
            # Flushed here: if the reader has closed the pipe, Python's own flush at exit would change the exit code.
            _flush_stdout()
            return result
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as error:
            click.echo("\nTerminated." if isinstance(error, Terminated) else "\nInterrupted.", err=True)
            ctx.exit(exit_code(error))
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(1)
        except Exception as error:
            if ctx.find_root().params.get("debug"):
                traceback.print_exc()
            click.echo(_message(error, ctx), err=True)
            if isinstance(error, OdtkError) and (refusal := refusal_document(ctx, error)):
                click.echo(json.dumps(refusal, indent=2))
            try:
                _flush_stdout()
            except OSError:
                _forget_stdout()
            ctx.exit(1)


@contextlib.contextmanager
def _explaining_usage_errors(root: click.Group) -> Iterator[None]:
    """Click's own errors, escaped and with the prefix of all others; wrong options get an explanation."""
    try:
        with answering_wrong_options(root):
            yield
    except click.ClickException as error:
        # A group that is called without a command ends in its help page, which has colors and needs no prefix.
        if not isinstance(error, _HELP_AS_ERROR):
            error.message = escaped(error.message)  # type: ignore[misc]
            error.show = functools.partial(_show, error)  # type: ignore[method-assign]
        if isinstance(error, click.UsageError) and error.ctx:
            error.ctx.color = _COLOR  # printed after the escaping streams are gone
        raise


def _show(error: click.ClickException, file: TextIO | None = None) -> None:
    """Prints a Click error: usage first, if it has one, then the message."""
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        usage = f"{ctx.get_usage()}\nTry '{ctx.command_path} --help' for help.\n"
        click.echo(usage, file, err=True, color=ctx.color)
    click.echo(f"error: {error.format_message()}", file, err=True)


def _forget_stdout() -> None:
    # What is left in the buffer is written when Python shuts down; it must have somewhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush_stdout() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _message(error: Exception, ctx: click.Context) -> str:
    if isinstance(error, OdtkError):
        text = _FAKE_MESSAGE.sub(r"\\n", str(error))
        return f"error: {text} {option_sentence(ctx, error.argument)}".rstrip()
    refused = as_os_error(error)
    if refused is not None:
        return f"error: {describe(refused)}"
    if isinstance(error, MemoryError):
        return "error: out of memory. Close other programs, or use a machine with more memory."
    return (
        f"error: unexpected {type(error).__name__}: {error}. This is a bug in odtk: please report it with the command "
        "you ran and the traceback, which `odtk --debug COMMAND ...` shows."
    )


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": _COLOR}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.option("--debug", is_flag=True, help="Show the traceback of an error and TensorFlow's own log.")
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=print_versions,
    help="Show the versions of odtk, Python and TensorFlow.",
)
def cli(debug: bool) -> None:
    """Train object detectors with the files and results of the TensorFlow Object Detection API (TFOD).

    The main steps are five commands: make-tfrecords, configure, train, evaluate, export. `odtk demo` runs all of them
    on synthetic images in a few minutes, without a GPU or a download. No command replaces an existing file or folder
    unless --overwrite is given, except that evaluate and demo replace their own earlier results. For Tab completion
    see `odtk completion --help`.
    """
    # A job has the environment in which it is added; what TensorFlow prints is decided when it runs.
    if not debug and click.get_current_context().invoked_subcommand != "queue":
        # TensorFlow's C++ code reads this when TensorFlow is first imported, which no command has done yet.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # TensorFlow imports Google's API client, which odtk does not use and which warns about Python 3.10 and 3.11.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")


def main() -> None:
    """Entry point of the `odtk` script."""
    # When a batch queue or a container stops odtk, it cleans up and training saves, as after Ctrl-C.
    signal.signal(signal.SIGTERM, raise_terminated)
    reads_images = not {"--debug", "--help", "-h"}.intersection(sys.argv) and READS_IMAGES.intersection(sys.argv[1:2])
    with quiet_libraries() if reads_images else contextlib.nullcontext():
        cli(prog_name="odtk")
