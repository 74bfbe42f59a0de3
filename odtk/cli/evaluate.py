"""`odtk evaluate`: the metrics of a checkpoint."""

import dataclasses
import math
import shlex
import sys

import click

from odtk.cli import options

_CLASSES_SHOWN, _CLASSES_NAMED = 20, 8


@click.command(short_help="Measure a trained detector: COCO's or Pascal VOC's numbers.")
@click.argument("pipeline_config", type=options.any_path)
@click.argument("model_dir", type=options.any_path)
@click.option(
    "--checkpoint", type=options.any_path, help="Prefix of the checkpoint, as model/ckpt-600.  [default: the newest]"
)
@options.max_bad_records_option
@options.json_option
@options.example(
    "odtk evaluate pets.config model",
    "odtk evaluate pets.config model --checkpoint model/ckpt-600 --json",
)
def evaluate(pipeline_config, model_dir, checkpoint, max_bad_records, as_json) -> None:
    """Measure a trained detector on the config's evaluation records.

    Prints the 12 COCO numbers and the losses under TFOD's names, each with what it means, and writes them to
    MODEL_DIR/eval/metrics.json (name to value; those of an earlier evaluation are replaced) and for TensorBoard. A
    table has images, boxes and average precision of each class, of many classes the best and the worst; all are in
    MODEL_DIR/eval/classes.json. MODEL_DIR is what `odtk train` wrote; its newest checkpoint is measured unless
    --checkpoint names another.

    The config's eval_config says what else there is. metrics_set names one or more of coco_detection_metrics,
    pascal_voc_detection_metrics, weighted_pascal_voc_detection_metrics and oid_V2_detection_metrics; all but COCO's
    always have the AP of each class among the metrics. Of COCO's, include_metrics_per_category adds the mAP of each
    class to them, all_metrics_per_category the 12 numbers of each class, and super_categories means over groups of
    classes. A value without groundtruth to measure it on is -1 in COCO's metrics and NaN (null in JSON) in the others.
    """
    from odtk.tools.evaluate import evaluate as evaluate_checkpoint

    report = evaluate_checkpoint(
        pipeline_config, model_dir, checkpoint, max_bad_records=max_bad_records, log=options.log
    )
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report)
        click.echo("Next: " + shlex.join(["odtk", "export", pipeline_config, checkpoint or model_dir, "exported"]))
    if report.bad_records:
        click.echo(f"Warning: the metrics leave out {len(report.bad_records)} bad records, named above.", err=True)
    if report.bad_boxes:
        from odtk.records.box_errors import count_in_words

        click.echo(f"Warning: the metrics leave out {count_in_words(report.bad_boxes)}, named above.", err=True)
    if report.repeated_images:
        click.echo(
            f"Warning: {report.repeated_images} images were ignored, as an image with the same source_id came before.",
            err=True,
        )


def _print(report) -> None:
    from odtk.tools.evaluate import MEANINGS

    step = "" if report.step is None else f" (step {report.step})"
    title = f"{report.checkpoint}{step} on {report.num_images} images"
    _print_metrics(title, [(name, value, MEANINGS[name]) for name, value in report.summary.items()])
    _print_classes(report)
    in_table = next(iter(report.metrics)).partition("_")[0] + "_PerformanceByCategory/"
    others = [(name, value, "") for name, value in report.metrics.items()
              if name not in report.summary and not name.startswith(in_table)]  # fmt: skip
    if others:
        _print_metrics("\nClass by class", others)
    _print_what_is_missing(report.metrics)
    click.echo(f"\nWritten to {report.metrics_path}")


def _print_classes(report) -> None:
    """The classes that were measured, the best first; of many those at both ends."""
    measured = [each for each in report.classes if each["boxes"]]
    columns = [key for key in report.classes[0] if key.startswith("AP")] if report.classes else []
    measured.sort(key=lambda each: -(each[columns[0]] or 0))
    rows = [[each["name"], each["images"], each["boxes"], *(_plain(each[key]) for key in columns)] for each in measured]
    if len(rows) > _CLASSES_SHOWN:
        half = _CLASSES_SHOWN // 2
        hidden = [f"({len(rows) - 2 * half} more, in {report.classes_path})", *[""] * (2 + len(columns))]
        rows = [*rows[:half], hidden, *rows[-half:]]
    click.echo()
    options.print_table("Classes, the best first", ["Class", "images", "boxes", *columns], rows)
    without = [each["name"] for each in report.classes if not each["boxes"]]
    if without:
        from odtk.prototext.schema import some

        count = "1 class has" if len(without) == 1 else f"{len(without)} classes have"
        click.echo(
            f"{count} no box in these images, and so no AP: {some(list(dict.fromkeys(without)), _CLASSES_NAMED)}."
        )


def _plain(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4f}"


def _print_what_is_missing(metrics: dict[str, float]) -> None:
    from odtk.evaluation.coco import NO_GROUNDTRUTH

    nothing = "the images have no groundtruth of this kind, so there is nothing to measure"
    if NO_GROUNDTRUTH in metrics.values():
        click.echo(f"\n-1: {nothing}.")
    if any(math.isnan(value) for name, value in metrics.items() if not name.startswith("Loss/")):
        click.echo(f"\nnan: {nothing}; the mean is over the other classes.")


def _print_metrics(title: str, rows: list[tuple[str, float, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from odtk.evaluation.coco import NO_GROUNDTRUTH

    form = {"title_justify": "left", "title_style": "bold", "box": None, "pad_edge": False, "show_header": False}
    table = Table(title=options.cell(title), **form)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for name, value, meaning in rows:
        table.add_row(options.cell(name), "-1" if value == NO_GROUNDTRUTH else f"{value:.4f}", meaning)
    # A metric stays on one line where a program reads along.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _document(report) -> dict:
    return {
        "metrics": report.metrics,
        "num_images": report.num_images,
        "checkpoint": str(report.checkpoint),
        "step": report.step,
        "metrics_path": str(report.metrics_path),
        "classes": list(report.classes),
        "classes_path": str(report.classes_path),
        "bad_records": [dataclasses.asdict(bad) for bad in report.bad_records],
        "bad_boxes": [dataclasses.asdict(image) for image in report.bad_boxes],
    }
