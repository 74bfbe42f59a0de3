"""`odtk configure`: makes a pipeline.config for your data, and checks any pipeline.config."""

import re
import shlex

import click

from odtk.cli import options

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
_EDITS = (
    "num_classes",
    "label_map",
    "train_records",
    "eval_records",
    "fine_tune_checkpoint",
    "batch_size",
    "fine_tune_checkpoint_type",
    "fine_tune",
    "num_steps",
    "learning_rate",
    "image_size",
    "set",
)


class ImageSize(click.ParamType):
    """`HxW`, or one number for both sides, to (height, width)."""

    name = "HxW"

    def convert(self, value, param, ctx):
        """Raises a usage error for anything but a number, or two numbers with an x between them."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d*)(?:[xX]([1-9]\d*))?", value)
        if not match:
            self.fail(f"'{value}' is not HEIGHTxWIDTH in pixels, such as 480x640, or 640 for both.", param, ctx)
        return int(match[1]), int(match[2] or match[1])


class Base(click.Path):
    """A config's path or a shipped pipeline's name; Tab completes both."""

    def shell_complete(self, ctx, param, incomplete):
        """The shipped names that begin with the text typed so far, and the shell's own file completion."""
        from click.shell_completion import CompletionItem

        from odtk import resources

        names = [name for name in resources.shipped_files("pipelines", ".config") if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *super().shell_complete(ctx, param, incomplete)]


class Assignment(click.ParamType):
    """`PATH=VALUE` to (path, value)."""

    name = "PATH=VALUE"

    def convert(self, value, param, ctx):
        """Raises a usage error if there is no equals sign, or nothing before it."""
        if isinstance(value, tuple):
            return value
        path, equals, text = value.partition("=")
        if not equals or not path.strip():
            self.fail(f"'{value}' is not PATH=VALUE, such as train_config.batch_size=8.", param, ctx)
        return path.strip(), text


@click.command()
@click.argument("base", type=Base(), required=False, metavar="BASE")
@click.option("--list", "list_only", is_flag=True, help="List the shipped pipelines with their use, size and speed.")
@click.option(
    "--output",
    type=options.any_path,
    metavar="FILE",
    help="File to write the config to; BASE itself is edited in place.",
)
@options.overwrite_option("an --output file other than BASE")
@click.option("--check", "check_only", is_flag=True, help="Only check BASE and write nothing; exit with 1 on errors.")
@click.option(
    "--num-classes",
    type=click.IntRange(1),
    metavar="N",
    help="Number of classes.  [default: taken from the label map, if one is given]",
)
@click.option(
    "--label-map", type=options.any_path, metavar="FILE", help="Label map of all readers: a file or a shipped name."
)
@click.option(
    "--train-records",
    multiple=True,
    metavar="GLOB_OR_FOLDER",
    help="Records to train on: a glob, a file, or an output folder of make-tfrecords, which also sets the label map "
    "and the records to evaluate on. Repeatable.",
)
@click.option(
    "--eval-records", multiple=True, metavar="GLOB_OR_FOLDER", help="Records to evaluate on, likewise. Repeatable."
)
@click.option(
    "--fine-tune-checkpoint",
    metavar="PREFIX",
    help="Checkpoint to start from, such as DIR/ckpt-0; an empty value starts from random weights.",
)
@click.option(
    "--fine-tune-checkpoint-type",
    metavar="TYPE",
    help="Part of the checkpoint to use: detection (all but the heads), classification (the backbone) or full.",
)
@click.option(
    "--fine-tune",
    is_flag=True,
    help="Start from the model of TFOD's zoo that BASE is made for; it is downloaded, unless it is there already.",
)
@click.option(
    "--download-dir",
    type=options.any_path,
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Folder of downloaded models, for --fine-tune.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    help="Images per step; the learning rate is scaled with it linearly.",
)
@click.option(
    "--scale-learning-rate/--no-scale-learning-rate",
    "scale_learning_rate",
    default=True,
    show_default=True,
    help="Whether --batch-size scales the learning rate.",
)
@click.option(
    "--num-steps",
    type=click.IntRange(1),
    metavar="N",
    help="Training steps; the learning rate schedule and its warm-up are stretched to match.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    metavar="RATE",
    help="Base learning rate; the warm-up rate is scaled to match.",
)
@click.option(
    "--image-size", type=ImageSize(), metavar="HxW", help="Input size: images are resized to it; 320 means 320x320."
)
@click.option(
    "--set",
    type=Assignment(),
    multiple=True,
    help="Set any field, after all other changes, to a number, a word, a [list] or a { block }; an empty VALUE clears "
    "the field. Repeatable.",
)
@options.json_option
@options.example(
    "odtk configure --list",
    "odtk configure ssd_resnet50_v1_fpn_small --output mine.config --train-records records",
    "odtk configure ssd_resnet50_v1_fpn_640x640_pets --output pets.config --train-records petdata/tfrecords \\",
    "    --fine-tune --batch-size 8",
    "odtk configure pets.config --output pets.config \\",
    "    --set train_config.optimizer.momentum_optimizer.momentum_optimizer_value=0.95",
    "odtk configure pets.config --check",
)
@click.pass_context
def configure(ctx, base, list_only, output, check_only, as_json, overwrite, scale_learning_rate, **edits) -> None:
    """Make a pipeline.config for your data, or check one.

    BASE is a pipeline.config file or the name of a shipped pipeline. Its text is edited: comments, layout and all other
    fields are kept. The changes are printed, then the whole config is checked; each finding names the field, the
    problem and the command that fixes it. The file is written even if there are errors; paths that do not exist on
    this machine are warnings. Fields without effect are only counted; --check lists them.
    """
    _refuse_misuse(ctx, base, list_only, output, check_only, edits)
    if list_only:
        _list(as_json)
        return
    from odtk.tools import configure as tool

    if check_only:
        findings = tool.check(base)
        _print_json({"config": base}, findings) if as_json else _print_findings(base, findings)
        ctx.exit(int(any(finding.severity == "error" for finding in findings)))
    report = tool.configure(
        base, output, scale_learning_rate=scale_learning_rate, overwrite=overwrite, log=options.log, **edits
    )
    if as_json:
        changes = [vars(change) for change in report.changes]
        document = {"output": report.output, "changes": changes, "diff": report.diff, "notes": report.notes}
        document["next"] = report.next_command
        _print_json(document, report.findings)
    else:
        _print_changes(report)
        _print_findings(report.output, report.findings, shows_all=False)
        click.echo(f"\nNext: {report.next_command}")


def _refuse_misuse(ctx, base, list_only: bool, output, check_only: bool, edits: dict) -> None:
    given = [name for name in _EDITS if edits[name] not in (None, (), False)]
    if list_only and (base or output or check_only or given):
        raise click.UsageError("--list can only be combined with --json.")
    if not list_only and not base:
        raise click.UsageError("BASE is missing: a config file or a shipped pipeline. --list shows the shipped ones.")
    if check_only and output:
        raise click.UsageError("--check writes nothing. Leave out --output, or --check: the output is always checked.")
    if not (list_only or check_only or output):
        raise click.UsageError("Add --output FILE to write the config, or --check to check it.")
    if check_only and given:
        names = [option.opts[0] for option in ctx.command.params if option.name in given]
        raise click.UsageError(f"--check changes nothing; {', '.join(names)} needs --output FILE instead of --check.")


def _list(as_json: bool) -> None:
    import dataclasses

    from odtk.tools.shipped_pipelines import shipped_pipelines

    pipelines = shipped_pipelines()
    if as_json:
        options.print_json([dataclasses.asdict(each) for each in pipelines])
        return
    for each in pipelines:
        height, width = each.image_size
        click.secho(each.name, bold=True)
        click.echo(f"  use    {each.use}")
        click.echo(f"  size   images {height}x{width}, {each.million_weights:g} million weights")
        click.echo(f"  steps  {each.num_steps:,} of {each.batch_size} images by default")
        click.echo(f"  speed  {each.speed}\n")
    click.echo("Next: odtk configure NAME --output FILE --train-records FOLDER")


def _print_json(document: dict, findings: list) -> None:
    told = ("severity", "path", "line", "text", "fix")
    options.print_json(document | {"findings": [{name: getattr(each, name) for name in told} for each in findings]})


def _print_changes(report) -> None:
    for line in report.diff.splitlines():
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=color, bold=line.startswith(("+++", "---")))
    click.echo("" if report.diff else "No changes.")
    for note in report.notes:
        click.echo(note)
    click.echo(f"Wrote {report.output}.\n")


def _print_findings(name: str, findings: list, shows_all: bool = True) -> None:
    """The findings; unless `shows_all`, those on fields without effect are only counted."""
    from odtk.findings import summary
    from odtk.tools.check_config import has_no_effect

    hidden = [] if shows_all else [finding for finding in findings if has_no_effect(finding)]
    click.echo(f"Check of {name}: {summary(findings)}")
    for finding in findings:
        if finding not in hidden:
            click.echo(_finding_text(finding))
    if hidden:
        fields = "1 field that is set has" if len(hidden) == 1 else f"{len(hidden)} fields that are set have"
        command = shlex.join(["odtk", "configure", name, "--check"])
        click.echo(f"{_severity('note')} {fields} no effect, as in TFOD; to list them: {command}")


def _severity(name: str) -> str:
    return click.style(f"{name}:", fg=_COLORS[name])


def _finding_text(finding) -> str:
    """An error or warning as a paragraph, a note as a line."""
    line = f" (line {finding.line})" if finding.line else ""
    head = f"{_severity(finding.severity)} {finding.path}{line}"
    if finding.severity == "note":
        return f"{head}: {finding.text}"
    return f"{head}\n    {finding.text}" + (f"\n    $ {finding.fix}" if finding.fix else "")
