"""The tables of `odtk evaluate`: metrics, classes, checkpoints, and what two models differ in."""

import math
import sys

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line

_CLASSES_SHOWN, _CLASSES_NAMED = 20, 8
_CHANGED_SHOWN = 3


def print_checkpoints(report) -> None:
    """The first metrics of each checkpoint, with a mark at the one that the rest is about."""
    names = [name for name in report.summary if name not in report.losses][:2]
    rows = [
        [each.checkpoint, each.step, *(f"{each.metrics.get(name, math.nan):.4f}" for name in names),
         "best" * (each.checkpoint == str(report.checkpoint))]
        for each in report.checkpoints
    ]  # fmt: skip
    options.print_table(
        f"Checkpoints, also in {report.checkpoints_path}",
        ["Checkpoint", "step", *(name.rpartition("/")[2] for name in names), ""],
        rows,
    )
    click.echo()


def print_comparison(compared) -> None:
    """The change of the mAP with its interval, and the classes and images that changed most."""
    found = compared.comparison
    click.echo("\n" + on_one_line(f"Compared with {compared.model}: {found.verdict}"))
    ranked = sorted(found.classes, key=lambda each: each.precision.difference)
    _print_some("Classes that are worse", [_changed(each) for each in ranked if each.precision.difference < 0])
    _print_some("Classes that are better", [_changed(each) for each in ranked[::-1] if each.precision.difference > 0])
    _print_some("Images that had errors and have none now", [each.source_id for each in found.images if each.is_fixed])
    _print_some(
        "Images that had no errors and have some now", [each.source_id for each in found.images if each.is_broken]
    )
    for finding in found.findings:
        click.echo(on_one_line(str(finding)))


def _changed(change) -> str:
    return f"{change.name} {change.precision.difference:+.4f}"


def _print_some(title: str, names: list[str]) -> None:
    """A line with the number of the names and the first of them; nothing if there are none."""
    from odtk.prototext.schema import some

    if names:
        click.echo(on_one_line(f"{title} ({len(names)}): {some(names, _CHANGED_SHOWN)}"))


def print_classes(report) -> None:
    """The classes with boxes, the best first; of many only the best and the worst."""
    measured = [each for each in report.classes if each["boxes"]]
    columns = [key for key in report.classes[0] if key.startswith("AP")] if report.classes else []
    if columns:
        measured.sort(key=lambda each: -(each[columns[0]] or 0))
    rows = [[each["name"], each["images"], each["boxes"], *(_plain(each[key]) for key in columns)] for each in measured]
    if len(rows) > _CLASSES_SHOWN:
        half = _CLASSES_SHOWN // 2
        hidden = [f"({len(rows) - 2 * half} more; see {report.classes_path})", *[""] * (2 + len(columns))]
        rows = [*rows[:half], hidden, *rows[-half:]]
    click.echo()
    options.print_table("Classes, the best first", ["Class", "images", "boxes", *columns], rows)
    without = [each["name"] for each in report.classes if not each["boxes"]]
    if without:
        from odtk.prototext.schema import some

        count = "1 class has" if len(without) == 1 else f"{len(without)} classes have"
        click.echo(
            f"{count} no box in these images and therefore no AP: {some(list(dict.fromkeys(without)), _CLASSES_NAMED)}."
        )


def _plain(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4f}"


def print_what_is_missing(values: list[float]) -> None:
    """What -1 and nan mean, where there are such metrics."""
    from odtk.evaluation.coco import NO_GROUNDTRUTH

    nothing = "the images have no groundtruth of this kind"
    if NO_GROUNDTRUTH in values:
        click.echo(f"\n-1: {nothing}.")
    if any(map(math.isnan, values)):
        click.echo(f"\nnan: {nothing}; means are over the other classes.")


def print_metrics(title: str, rows: list[tuple[str, float, str]]) -> None:
    """Metrics with their names and meanings."""
    from rich.console import Console
    from rich.table import Table

    from odtk.evaluation.coco import NO_GROUNDTRUTH

    form: dict = {"title_justify": "left", "title_style": "bold", "box": None, "pad_edge": False, "show_header": False}
    table = Table(title=options.cell(title), **form)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for name, value, meaning in rows:
        table.add_row(options.cell(name), "-1" if value == NO_GROUNDTRUTH else f"{value:.4f}", meaning)
    # Each metric stays on one line when the output goes to a program.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
