"""`odtk run`: the stages of a project file."""

import contextlib
import dataclasses

import click

from odtk.cli import options
from odtk.cli.init_project import init

_STAGES = ("make-tfrecords", "configure", "train", "evaluate", "export", "predict")


class _Run(click.Command):
    def parse_args(self, ctx, args):
        """Also checks which options go together, so that a job of `odtk queue` is checked when it is added."""
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            _check_together(ctx)
        return rest


@click.command(cls=_Run, short_help="Run what is left to do of a project file.")
@click.argument("project", type=options.any_path, metavar="PROJECT.yaml", required=False)
@click.option("--init", "init_folder", type=options.any_path, metavar="FOLDER",
              help="Run nothing, but write PROJECT.yaml for the annotated images in FOLDER, with comments that explain "
              "each value.  [default: FOLDER's name, in the current folder]")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="With --init: replace PROJECT.yaml if it exists.")
@click.option("--from", "from_stage", type=click.Choice(_STAGES), metavar="STAGE",
              help="Leave the stages before this one as they are.")  # fmt: skip
@click.option("--only", type=click.Choice(_STAGES), metavar="STAGE", help="Leave all stages but this one as they are.")
@click.option("--force", is_flag=True, help="Run these stages although nothing changed, and replace what exists.")
@click.option("--dry-run", is_flag=True,
              help="Print the commands that would be run, and why; write nothing.")  # fmt: skip
@options.json_option
@click.pass_context
@options.example(
    "odtk run --init pets",
    "odtk run pets.yaml",
    "odtk run pets.yaml --dry-run",
    "odtk run pets.yaml --from evaluate --force",
)
def run(ctx, project, init_folder, overwrite, from_stage, only, force, dry_run, as_json) -> None:
    """Run the stages of a project file: from annotated images to an exported model, with one command.

    --init FOLDER writes such a file: it looks at the annotated images in FOLDER and at this machine, and chooses
    pipeline, image size, batch, steps and what else matters.

    PROJECT.yaml has a section for each stage, named as its command (make-tfrecords, configure, train, evaluate, export,
    predict), whose keys are that command's options; `output` is the folder for all that they write. Paths are relative
    to the file. A stage whose section is missing is not run; records, config, model dir and exported model are handed
    from stage to stage.

    \b
      output: runs/pets
      make-tfrecords: {data-dir: pets}
      configure: {base: ssd_resnet50_v1_fpn_small, num-steps: 2000}
      train: {seed: 7}
      evaluate:
      export:

    All values are checked before the first stage starts. A stage is skipped if its options and the contents of what it
    reads are those of its last run, and its outputs are what it wrote then; dates do not count. PROJECT.lock, beside
    the file, records that. Training that was interrupted, or is to have more steps, goes on; if what it learns from
    changed, it starts over, and the earlier model dir is kept under another name. Signals are as for `odtk train`.
    """
    if init_folder is not None:
        init(init_folder, project, overwrite, as_json)
        return
    from odtk.tools.run import run as run_project

    ended = []

    @contextlib.contextmanager
    def watch_for_stop():
        from odtk.cli.stop_signals import stop_signals

        with stop_signals(options.log) as signals:
            ended.append(signals)
            yield signals.should_stop

    report = run_project(
        project, from_stage=from_stage, only=only, force=force, dry_run=dry_run, log=options.log,
        watch_for_stop=watch_for_stop,
    )  # fmt: skip
    if as_json:
        _print_json(report)
    elif dry_run:
        _print_plan(report)
    else:
        _print(report, ctx)
    ctx.exit(ended[-1].exit_code(report.stopped) if report.stopped and ended else 0)


def _check_together(ctx) -> None:
    """A usage error where the arguments do not go together."""
    given, is_init = ctx.params, ctx.params["init_folder"] is not None
    others = [f"--{name.replace('_', '-')}" for name in ("from_stage", "only", "force", "dry_run") if given[name]]
    if is_init and others:
        raise click.UsageError(
            f"--init writes a project and runs nothing; leave {others[0].removesuffix('-stage')} out."
        )
    if given["overwrite"] and not is_init:
        raise click.UsageError("--overwrite is for --init; to run again what is done, use --force.")
    if not (is_init or given["project"]):
        raise click.UsageError("Give a PROJECT.yaml, or --init FOLDER to write one for the images in a folder.")
    if given["only"] and given["from_stage"]:
        raise click.UsageError("--only runs one stage, --from all from one on; leave one of them out.")


def _print_json(report) -> None:
    told = [field.name for field in dataclasses.fields(type(report.stages[0])) if field.name != "report"]
    stages = [{name: getattr(stage, name) for name in told} for stage in report.stages]
    options.print_json(
        {"project": report.project, "output": report.output, "lock": report.lock, "stopped": report.stopped}
        | {"stages": stages}
    )


def _print_plan(report) -> None:
    for stage in report.stages:
        click.echo(f"# {stage.name}: {'' if stage.ran else 'skipped, '}{stage.reason}")
        for command in stage.commands:
            click.echo(command)


def _print(report, ctx) -> None:
    from odtk.cli.command_context import typed_command
    from odtk.tools.run.carrying_out import in_words

    if report.stopped:
        click.echo(f"Ended early: {report.stopped}. To go on: {typed_command(ctx)}")
        return
    left_out = [stage.name for stage in report.stages if stage.is_left_out]
    if not report.ran and left_out:
        click.echo(f"Nothing was run, as only other stages have something to do: {', '.join(left_out)}.")
    elif not report.ran:
        click.echo(f"Nothing to do: nothing changed since {report.project} was run.")
    for stage in report.stages:
        places = ", ".join(stage.outputs.values())
        words = f" {in_words(stage.results)}." if stage.results else ""
        click.echo(f"{stage.name}:{words} {places}")
