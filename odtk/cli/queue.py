"""`odtk queue`: commands that run in the background, one after the other, the most urgent first."""

from collections.abc import Callable, Sequence

import click

from odtk.cli import options
from odtk.cli import queue_arguments as arguments
from odtk.cli.queue_arguments import priority_option, queue_option
from odtk.errors import OdtkError

_LINES_SHOWN = 10


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use, which is that of this module."""
        return list(self.commands)


@click.group(cls=_InOrder, short_help="Run commands in the background, the most urgent first.")
@options.example(
    "odtk queue add -- odtk train pets.config models/pets",
    "odtk queue start --detach",
    "odtk queue list",
)
def queue() -> None:
    """Run odtk commands in the background, one after the other, the most urgent first.

    `add` puts a command into the queue, with the folder and the environment it was typed in. A worker, which `start`
    starts, runs the jobs: each in a process of its own, no two on one device. With --detach it goes on when the
    terminal is closed. What a restart of the machine cut off is run again by the next worker, and a training resumes
    from its checkpoint.

    A JOB is the number that `add` prints, or a name, if only one job has it. For the options of each command see `odtk
    queue COMMAND --help`.
    """


@queue.command(short_help="Add a command to the queue.", context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@priority_option("1 is the most urgent; of equal priority the job that was added first runs first.", default=5,
                 show_default=True)  # fmt: skip
@click.option("--name", metavar="NAME", help="A name for the job, which can stand for its number.")
@click.option("--device", metavar="gpu:0", help="Run it on this device, with the other GPUs hidden: gpu:0, gpu:0,1 or "
              "cpu.  [default: as the command's --devices says, else the whole machine]")  # fmt: skip
@click.option("--after", multiple=True, metavar="JOB", help="Run it only when this job is done, and skip it if that "
              "job fails; may be repeated.")  # fmt: skip
@click.option("--attempts", type=click.IntRange(1), default=3, show_default=True, metavar="N",
              help="Start it at most N times, if restarts of the machine or kills cut it off.")  # fmt: skip
@queue_option
@options.json_option
@click.pass_context
@options.example(
    "odtk queue add --priority 1 --name pets -- odtk train pets.config models/pets",
    "odtk queue add --after pets -- odtk evaluate pets.config models/pets",
)
def add(ctx, command, priority, name, device, after, attempts, path, as_json) -> None:
    """Add an odtk command to the queue: COMMAND is what you would type, with or without the leading odtk.

    It runs later in the present folder, with the present environment. A command or an option that does not exist, and a
    value that the option never allows, is an error at once; what depends on files or on other options may be found only
    when the job runs. All options of `add` stand before COMMAND; what follows belongs to the command.
    """
    from odtk.cli.queue_tables import document, title
    from odtk.cli.queued_command import check_command
    from odtk.queue import Job
    from odtk.queue.job import command_words

    check_command(ctx.find_root().command, command_words(command))
    opened = arguments.open_queue(path, is_made=True)
    numbers = [arguments.job_number(opened, job, "after") for job in after]
    job = Job(command, device=device, after=numbers, attempts=attempts)
    number = opened.put(job, priority, name)
    record = opened.job(number)
    if as_json:
        options.print_json(document(record))
        return
    click.echo(f"Added {title(record)}: {record.state}" + f", {record.reason}" * bool(record.reason))
    _hint(opened, path)


@queue.command(name="list", short_help="List the jobs and the workers.")
@queue_option
@options.json_option
@options.example("odtk queue list")
def list_jobs(path, as_json) -> None:
    """List the jobs: those that run, those that wait with the next one first, and those that ended.

    Says of each how far it is, what it waits for, how it ended, and what a restart of the machine or a kill cut off.
    """
    from odtk.cli import queue_tables

    opened = arguments.open_queue(path)
    jobs, workers = opened.jobs(), opened.workers()
    if as_json:
        documents = [queue_tables.document(job) for job in jobs]
        workers_found = [queue_tables.worker_document(worker) for worker in workers]
        options.print_json({"queue": str(opened.path), "workers": workers_found, "jobs": documents})
        return
    click.echo(f"Queue: {opened.path}")
    for worker in workers:
        click.echo(queue_tables.worker_line(worker))
    click.echo()
    if jobs:
        queue_tables.print_jobs(jobs)
    else:
        click.echo(f"It is empty. To add a job: {arguments.command(path, 'add')} -- odtk COMMAND ...")
    _hint(opened, path)


def _hint(opened, path: str | None) -> None:
    if text := arguments.hint_at_a_start(opened, path):
        click.echo(f"\n{text}")


@queue.command(short_help="Show all about one job.")
@click.argument("job")
@queue_option
@options.json_option
@options.example("odtk queue show 3")
def show(job, path, as_json) -> None:
    """Show a job: its command, state and times, its progress as it reports it, and the last lines of its log."""
    from odtk.cli import queue_tables

    opened = arguments.open_queue(path)
    record = opened.job(arguments.job_number(opened, job))
    if as_json:
        lines = queue_tables.last_lines(record.log_path, _LINES_SHOWN)
        options.print_json({**queue_tables.document(record), "last_lines": lines})
    else:
        queue_tables.print_job(record, _LINES_SHOWN)


@queue.command(short_help="Print what a job has printed.")
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the job has ended; Ctrl-C ends only this.")
@queue_option
@options.json_option
@click.pass_context
@options.example("odtk queue logs 3", "odtk queue logs pets -f")
def logs(ctx, job, follow, path, as_json) -> None:
    """Print what a job has printed so far, in all its attempts."""
    from odtk.cli import queue_watch

    if follow and as_json:
        raise click.UsageError("--json prints one document, so the log cannot be followed. Leave out --follow.")
    opened = arguments.open_queue(path)
    number = arguments.job_number(opened, job)
    log_path = opened.log_path(number)
    if as_json:
        text = log_path.read_text("utf-8", errors="replace") if log_path.exists() else ""
        options.print_json({"job": number, "log_path": str(log_path), "text": text})
    elif not follow:
        queue_watch.print_log(log_path, 0)
        if not log_path.exists():
            options.log(f"Job {number} has printed nothing so far.")
    else:
        with arguments.leaving(
            ctx, f"Job {number} goes on. To end it: {arguments.command(path, 'cancel', str(number))}"
        ):
            queue_watch.follow_log(opened, number)


@queue.command(short_help="End running jobs, or take waiting ones out.")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@queue_option
@options.json_option
@options.example("odtk queue cancel 3")
def cancel(jobs, path, as_json) -> None:
    """End running jobs, or take waiting ones out; jobs that wait for them are skipped.

    A running job gets SIGTERM, on which a training saves its checkpoint, and is killed if it goes on for longer than
    the worker's --grace. The command does not wait for its end.
    """
    _change(path, jobs, as_json, lambda opened, number: opened.cancel(number))


@queue.command(short_help="Change the priority of waiting jobs.")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@priority_option("The new priority; 1 is the most urgent.", required=True)
@queue_option
@options.json_option
@options.example("odtk queue move 3 --priority 1")
def move(jobs, priority, path, as_json) -> None:
    """Change the priority of waiting jobs: the most urgent runs next."""
    _change(path, jobs, as_json, lambda opened, number: opened.move(number, priority))


@queue.command(short_help="Let jobs that ended run again.")
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@queue_option
@options.json_option
@options.example("odtk queue retry 3")
def retry(jobs, path, as_json) -> None:
    """Let jobs that ended wait again, with all their attempts, and the jobs that were skipped because of them.

    A training goes on from its checkpoint. What a job prints is added to its log. A job whose --after was not done
    would wait forever: retry that one.
    """
    _change(path, jobs, as_json, lambda opened, number: opened.retry(number))


def _change(path: str | None, jobs: Sequence[str], as_json: bool, change: Callable) -> None:
    """Calls `change` with the queue and each job's number, and prints what has become of the jobs."""
    from odtk.cli import queue_tables

    opened = arguments.open_queue(path)
    numbers = list(dict.fromkeys(arguments.job_number(opened, job) for job in jobs))
    for number in numbers:  # all of them are there before one is changed
        opened.job(number)
    for place, number in enumerate(numbers):
        try:
            change(opened, number)
        except OdtkError:
            for changed in numbers[:place]:
                options.log(queue_tables.job_line(opened.job(changed)))
            raise
    records = [opened.job(number) for number in numbers]
    if as_json:
        options.print_json([queue_tables.document(record) for record in records])
        return
    for record in records:
        click.echo(queue_tables.job_line(record))
    _hint(opened, path)


@queue.command(short_help="Forget the jobs that ended.")
@queue_option
@options.json_option
@options.example("odtk queue clear")
def clear(path, as_json) -> None:
    """Forget the jobs that ended, with their logs; what they made stays.

    One that a waiting job is to run after is kept.
    """
    numbers = arguments.open_queue(path).clear()
    if as_json:
        options.print_json({"cleared": numbers})
    else:
        click.echo(f"Cleared {len(numbers):,} job{'s' * (len(numbers) != 1)}.")


@queue.command(short_help="Start a worker, which runs the jobs.")
@click.option("--detach", is_flag=True, help="Run in the background, also when the terminal is closed.")
@click.option("--until-empty", is_flag=True, help="End when no job can run any more, instead of waiting for new ones.")
@click.option("--device", metavar="gpu:0", help="Run only jobs of this device, and those that name none.  [default: "
              "jobs of all devices, each on its own]")  # fmt: skip
@click.option("--stop-on-failure", is_flag=True, help="End after the first job that fails; the others wait.")
@click.option("--grace", type=click.FloatRange(0), default=90, show_default=True, metavar="SECONDS",
              help="How long a job that is cancelled may take to end by itself before it is killed.")  # fmt: skip
@queue_option
@options.json_option
@options.example("odtk queue start --detach", "odtk queue start --until-empty")
def start(detach, until_empty, device, stop_on_failure, grace, path, as_json) -> None:
    """Start a worker, which runs the jobs, each in a process of its own, no two on one device.

    Without --detach it shows what runs until Ctrl-C or `odtk queue stop`. The exit code says nothing of the jobs; see
    `odtk queue wait`.
    """
    from odtk.cli import queue_tables, queue_watch

    opened = arguments.open_queue(path, is_made=True)
    how = {"until_empty": until_empty, "device": device, "stop_on_failure": stop_on_failure, "grace": grace}
    if detach:
        _print_worker(opened.start(detach=True, **how), path, as_json)
        return
    with queue_watch.watching(opened, options.log):
        opened.start(detach=False, log=options.log, log_change=lambda line: None, **how)
    jobs = opened.jobs()
    if as_json:
        options.print_json({"queue": str(opened.path), "jobs": [queue_tables.document(job) for job in jobs]})
    else:
        click.echo(f"The worker has ended: {queue_watch.counts(jobs)}.")


def _print_worker(worker, path: str | None, as_json: bool) -> None:
    from odtk.cli import queue_tables

    if as_json:
        options.print_json(worker and queue_tables.worker_document(worker))
        return
    if worker is None:
        click.echo(f"The worker has ended already. To look: {arguments.command(path, 'list')}")
        return
    click.echo(f"A worker of {worker.device or 'all devices'} runs in the background (process {worker.pid}).")
    click.echo(f"Its log: {worker.log_path}")
    click.echo(f"To look: {arguments.command(path, 'list')}")
    click.echo(f"To stop: {arguments.command(path, 'stop')}")


@queue.command(short_help="Stop the workers.")
@click.option("--now", is_flag=True, help="End the running jobs at once; they wait for the next start, and a training "
              "goes on from its checkpoint.")  # fmt: skip
@queue_option
@options.json_option
@options.example("odtk queue stop", "odtk queue stop --now")
def stop(now, path, as_json) -> None:
    """Stop the workers: each ends after the job that it runs. Waiting jobs wait for the next start."""
    from odtk.cli import queue_tables

    opened = arguments.open_queue(path)
    if now and not as_json:
        options.log("Ending the running jobs; a training saves its checkpoint.")
    workers = opened.stop(now)
    if as_json:
        options.print_json({"stopped": [queue_tables.worker_document(worker) for worker in workers]})
        return
    for worker in workers:
        click.echo("The worker has ended." if now else queue_tables.worker_line(worker))
    if not workers:
        click.echo("No worker runs.")


@queue.command(short_help="Wait until jobs have ended.")
@click.argument("jobs", nargs=-1, metavar="[JOB...]")
@queue_option
@options.json_option
@click.pass_context
@options.example("odtk queue wait", "odtk queue wait pets && odtk export pets.config models/pets exported")
def wait(ctx, jobs, path, as_json) -> None:
    """Wait until all jobs, or the given ones, have ended, and show their progress meanwhile.

    The exit code is the worst of theirs: 0 if all of them are done. Ctrl-C ends only the waiting.
    """
    from odtk.cli import queue_tables, queue_watch

    opened = arguments.open_queue(path)
    numbers = [arguments.job_number(opened, job) for job in jobs] or None
    warned = set()

    def warn(text: str) -> None:
        text = arguments.hint_at_a_start(opened, path) or text
        if text not in warned:
            warned.add(text)
            options.warn(text)

    with arguments.leaving(ctx, "The jobs go on."), queue_watch.watching(opened, options.log, numbers):
        worst = opened.wait(numbers, log=warn)
    records = [job for job in opened.jobs() if numbers is None or job.number in numbers]
    if as_json:
        options.print_json({"exit_code": worst, "jobs": [queue_tables.document(job) for job in records]})
    else:
        click.echo(f"{queue_watch.counts(records)}: exit code {worst}")
    ctx.exit(worst)
