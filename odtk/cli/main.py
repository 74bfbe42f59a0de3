"""The `odtk` command: finds the commands, and turns every error into one paragraph and an exit code."""

import contextlib
import importlib
import logging
import os
import re
import signal
import sys
import traceback
import warnings

import click

from odtk import __version__
from odtk.cli.command_context import CommandContext, option_sentence, use_command_context
from odtk.cli.library_noise import quiet_libraries
from odtk.cli.wrong_options import answering_wrong_options
from odtk.errors import OdtkError
from odtk.system_errors import as_os_error, describe
from odtk.terminal_text import escaped, escaping_streams

# In the order of the journey, which is the order of the help page.
COMMANDS = (
    "inspect",
    "view",
    "label-map",
    "make-tfrecords",
    "configure",
    "train",
    "evaluate",
    "export",
    "predict",
    "demo",
    "completion",
)

READS_IMAGES = {"inspect", "view", "make-tfrecords", "train", "evaluate", "predict", "demo"}

# A line feed in a name, which makes of the name's rest a message of ours.
_FEIGNED = re.compile(r"\n(?=Error|Warning|Note|Next|Usage|\$)")


# Click itself looks for a terminal, and not for https://no-color.org.
_COLOR = False if os.environ.get("NO_COLOR") else None

_HELP_AS_ERROR = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since Click 8.2


class Commands(click.Group):
    """Imports a command's module when it is asked for, and ends its errors as a user should see them."""

    context_class = CommandContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the journey."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command from `odtk/cli/<name>.py`, or None where there is none of that name."""
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        return use_command_context(getattr(importlib.import_module(f"odtk.cli.{module}"), module))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As Click does, with an option that belongs behind a command's name answered so."""
        with answering_wrong_options(self):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]):
        """As Click does, with the nearest command named where the one typed does not exist."""
        import difflib

        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context):
        """Runs the command; OdtkError and the unexpected end in a message, not a traceback."""
        ctx.color = True  # the streams drop colours where they have no place, and show all else that Click would drop
        with escaping_streams():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context):
        try:
            with answering_wrong_options(self):
                result = super().invoke(ctx)
            # Now, and not when Python shuts down, where a reader that is gone would end in an exit code of its own.
            _flush_stdout()
            return result
        except click.ClickException as error:
            # A group that is called without a command answers with its help page, which is ours, colours and all.
            if not isinstance(error, _HELP_AS_ERROR):
                error.message = escaped(error.message)
            if isinstance(error, click.UsageError) and error.ctx:
                error.ctx.color = _COLOR  # shown by Click, on streams that keep what they get
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(1)
        except Exception as error:
            if ctx.find_root().params.get("debug"):
                traceback.print_exc()
            click.echo(_message(error, ctx), err=True)
            try:
                _flush_stdout()
            except OSError:
                _forget_stdout()
            ctx.exit(1)


def _forget_stdout() -> None:
    # What is left in the buffer must go somewhere when Python shuts down.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush_stdout() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _message(error: Exception, ctx: click.Context) -> str:
    if isinstance(error, OdtkError):
        text = _FEIGNED.sub(r"\\n", str(error))
        return f"Error: {text} {option_sentence(ctx, error.argument)}".rstrip()
    refused = as_os_error(error)
    if refused is not None:
        return f"Error: {describe(refused)}"
    if isinstance(error, MemoryError):
        return "Error: no memory is left. Close some programs, or use a machine that has more."
    return (
        f"Error: something unexpected happened ({type(error).__name__}: {error}). "
        "Run `odtk --debug COMMAND ...` for the traceback, and please report it with the command you ran."
    )


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "color": _COLOR}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, and TensorFlow's own log.")
@click.version_option(__version__, prog_name="odtk")
def cli(debug: bool) -> None:
    """Train object detectors with TFOD's files and numbers, on today's TensorFlow.

    The journey is five commands: make-tfrecords, configure, train, evaluate, export. `odtk demo` walks it on drawn
    data in a few minutes, without a GPU or a download. No command replaces a file or folder that exists unless
    --overwrite is given; only evaluate and demo replace what they wrote before. Tab completes command lines once
    `odtk completion` has told your shell how.
    """
    if not debug:
        # Read by TensorFlow's C++ side when it is first imported, which no command has done yet.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # TensorFlow imports Google's API client, which warns of Python 3.10 and 3.11; odtk uses nothing of it.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")


def main() -> None:
    """Entry point of the `odtk` script."""
    # What a queue or a container stops is to clean up, and training to save, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reads_images = not {"--debug", "--help", "-h"}.intersection(sys.argv) and READS_IMAGES.intersection(sys.argv[1:2])
    with quiet_libraries() if reads_images else contextlib.nullcontext():
        cli(prog_name="odtk")
