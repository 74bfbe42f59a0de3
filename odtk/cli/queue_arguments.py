"""What the verbs of `odtk queue` share: the queue of --queue, jobs by number or name, and commands to type next."""

import contextlib
import os
import shlex
from collections.abc import Iterator

import click

from odtk.cli.options import any_path, log
from odtk.cli.stop_signals import exit_code
from odtk.errors import OdtkError

_DIGITS = 18  # of the numbers that SQLite can count to

queue_option = click.option(
    "--queue", "path", type=any_path, metavar="FILE",
    help="The file of the queue.  [default: odtk/queue.db in $XDG_STATE_HOME or ~/.local/state]",
)  # fmt: skip


def priority_option(text: str, **settings):
    """--priority, with the help `text`."""
    return click.option("--priority", type=click.IntRange(1, 10), metavar="N", help=text, **settings)


def open_queue(path: str | None, is_made: bool = False):
    """The queue of --queue; OdtkError if the file is not there and is not to be made, as its name may be misspelled."""
    from odtk.queue import Queue

    if path is not None and not is_made and not (os.path.exists(path) and os.path.getsize(path)):
        raise OdtkError(
            f"There is no queue {path}. Choose another file; odtk queue add makes a new queue.", argument="queue"
        )
    return Queue(path)


def job_number(queue, job: str, argument: str | None = None) -> int:
    """The number of a job that is given by its number or its name; OdtkError if there is none, or are several."""
    if job.isdecimal() and len(job) <= _DIGITS:
        return int(job)
    numbers = [each.number for each in queue.jobs() if each.name == job]
    if not numbers:
        text = f"The queue has no job that is called '{job}'. Give the number or the name of one that it lists."
        raise OdtkError(text, argument=argument)
    if len(numbers) > 1:
        listed = ", ".join(map(str, sorted(numbers)))
        raise OdtkError(f"The jobs {listed} are all called '{job}'. Give the number of one.", argument=argument)
    return numbers[0]


def command(path: str | None, *words: str) -> str:
    """A command for the same queue, to be pasted into a shell."""
    return shlex.join(["odtk", "queue", words[0], *([] if path is None else ["--queue", path]), *words[1:]])


def hint_at_a_start(queue, path: str | None) -> str | None:
    """`3 jobs wait, but no worker runs: odtk queue start --detach`, if that is so."""
    waiting = sum(job.state == "waiting" for job in queue.jobs())
    if not waiting or queue.workers():
        return None
    jobs = "1 job waits" if waiting == 1 else f"{waiting:,} jobs wait"
    return f"{jobs}, but no worker runs: {command(path, 'start', '--detach')}"


@contextlib.contextmanager
def leaving(ctx: click.Context, text: str) -> Iterator[None]:
    """Ends the command cleanly at Ctrl-C or SIGTERM while the block runs, which only waits, and says `text`."""
    try:
        yield
    except KeyboardInterrupt as error:
        log(f"\n{text}")
        ctx.exit(exit_code(error))
