"""`odtk configure`: a pipeline.config for your data, and the check of any pipeline.config."""

import re

import click

from odtk.cli import options

_COLOURS = {"error": "red", "warning": "yellow", "information": "cyan"}
_EDITS = (
    "num_classes",
    "label_map",
    "train_records",
    "eval_records",
    "fine_tune_checkpoint",
    "batch_size",
    "fine_tune_checkpoint_type",
    "num_steps",
    "learning_rate",
    "image_size",
    "sets",
)


class ImageSize(click.ParamType):
    """`HxW` to (height, width)."""

    name = "HxW"

    def convert(self, value, param, ctx):
        """Raises a usage error for anything but two numbers with an x between them."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d*)[xX]([1-9]\d*)", value)
        if not match:
            self.fail(f"'{value}' is not HEIGHTxWIDTH in pixels, such as 640x640.", param, ctx)
        return int(match[1]), int(match[2])


class Assignment(click.ParamType):
    """`PATH=VALUE` to (path, value)."""

    name = "PATH=VALUE"

    def convert(self, value, param, ctx):
        """Raises a usage error where there is no equals sign, or nothing before it."""
        if isinstance(value, tuple):
            return value
        path, equals, text = value.partition("=")
        if not equals or not path.strip():
            self.fail(f"'{value}' is not PATH=VALUE, such as train_config.batch_size=8.", param, ctx)
        return path.strip(), text


@click.command()
@click.argument("base")
@click.option(
    "--output",
    type=options.any_path,
    metavar="FILE",
    help="Write the config here; BASE itself is edited in place where it is the same.",
)
@click.option("--check", "check_only", is_flag=True, help="Write nothing, check BASE; exit with 1 if it has errors.")
@click.option(
    "--num-classes",
    type=click.IntRange(1),
    metavar="N",
    help="Number of classes.  [default: the label map's, where one is given]",
)
@click.option(
    "--label-map", type=options.any_path, metavar="FILE", help="Label map of all readers, or the name of a shipped one."
)
@click.option(
    "--train-records",
    multiple=True,
    metavar="GLOB_OR_FOLDER",
    help="Records to train on: a glob, a file, or a folder of make-tfrecords, which also gives the label map "
    "and the records to evaluate on. May be repeated.",
)
@click.option(
    "--eval-records", multiple=True, metavar="GLOB_OR_FOLDER", help="Records to evaluate on, likewise. May be repeated."
)
@click.option(
    "--fine-tune-checkpoint",
    metavar="PREFIX",
    help="Checkpoint to start from, such as DIR/ckpt-0; an empty one starts from random weights.",
)
@click.option(
    "--fine-tune-checkpoint-type",
    metavar="TYPE",
    help="What to take of it: detection (all but the heads), classification (the backbone) or full.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    help="Images per step; the learning rate is scaled linearly with it.",
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
    help="Training steps; the schedule's end moves along and its warm-up stays in proportion.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    metavar="RATE",
    help="The schedule's base rate; a warm-up's rate stays in proportion.",
)
@click.option("--image-size", type=ImageSize(), metavar="HxW", help="Resize images to this height and width.")
@click.option(
    "--set",
    "sets",
    type=Assignment(),
    multiple=True,
    help="Set any field, after all else: a number, a word, a [list] or a { block }; nothing clears it. May be "
    "repeated.",
)
@options.json_option
@options.example(
    "odtk configure ssd_resnet50_v1_fpn_640x640_pets --output pets.config --train-records petdata/tfrecords \\",
    "    --fine-tune-checkpoint ssd_resnet50_v1_fpn_640x640_coco17_tpu-8/checkpoint/ckpt-0 --batch-size 8",
    "odtk configure pets.config --output pets.config \\",
    "    --set train_config.optimizer.momentum_optimizer.momentum_optimizer_value=0.95",
    "odtk configure pets.config --check",
)
@click.pass_context
def configure(ctx, base, output, check_only, as_json, scale_learning_rate, **edits) -> None:
    """Make a pipeline.config for your data, or check one.

    BASE is a pipeline.config file or the name of a shipped pipeline. It is edited in place in the text: comments and
    layout survive, and what no option names stays as it is. What has changed is printed, then the whole config is
    checked: each finding has the field, what is wrong, and the command that mends it. The file is written whatever
    the findings; paths that are not on this machine are warnings.
    """
    _refuse_misuse(ctx, output, check_only, edits)
    from odtk.tools import configure as tool

    if check_only:
        findings = tool.check(base)
        _print_json({"config": base}, findings) if as_json else _print_findings(base, findings)
        ctx.exit(int(any(finding.severity == "error" for finding in findings)))
    report = tool.configure(base, output, scale_learning_rate=scale_learning_rate, **edits)
    if as_json:
        changes = [vars(change) for change in report.changes]
        document = {"output": report.output, "changes": changes, "diff": report.diff, "notes": report.notes}
        _print_json(document, report.findings)
    else:
        _print_changes(report)
        _print_findings(report.output, report.findings)


def _refuse_misuse(ctx, output, check_only: bool, edits: dict) -> None:
    if check_only and output:
        raise click.UsageError("--check writes nothing; leave out --output, or --check: the output is checked anyway.")
    if not check_only and not output:
        raise click.UsageError("Say where to write the config with --output FILE, or --check it.")
    given = [name for name in _EDITS if edits[name] not in (None, ())]
    if check_only and given:
        names = [option.opts[0] for option in ctx.command.params if option.name in given]
        raise click.UsageError(f"--check changes nothing; {', '.join(names)} needs --output FILE instead of --check.")


def _print_json(document: dict, findings: list) -> None:
    options.print_json(document | {"findings": [vars(finding) for finding in findings]})


def _print_changes(report) -> None:
    for line in report.diff.splitlines():
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=colour, bold=line.startswith(("+++", "---")))
    click.echo("" if report.diff else "Nothing changed.")
    for note in report.notes:
        click.echo(note)
    click.echo(f"Wrote {report.output}.\n")


def _print_findings(name: str, findings: list) -> None:
    found = [finding.severity for finding in findings]
    counts = {"error": found.count("error"), "warning": found.count("warning")}
    words = [f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items()]
    click.echo(f"Check of {name}: {', '.join(words)}, {found.count('information')} for information.")
    for finding in findings:
        click.echo(_finding_text(finding))


def _finding_text(finding) -> str:
    """An error or warning as a paragraph, information as a line."""
    line = f" (line {finding.line})" if finding.line else ""
    head = click.style(finding.severity, fg=_COLOURS[finding.severity]) + f" {finding.path}{line}"
    if finding.severity == "information":
        return f"{head}: {finding.message}"
    return f"{head}\n    {finding.message}" + (f"\n    $ {finding.fix}" if finding.fix else "")
