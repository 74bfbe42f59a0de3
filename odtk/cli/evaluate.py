"""`odtk evaluate`: the metrics of a checkpoint."""

import dataclasses
import math
import sys

import click

from odtk.cli import options


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
    MODEL_DIR/eval/metrics.json (name to value) and for TensorBoard. MODEL_DIR is what `odtk train` wrote; its newest
    checkpoint is measured unless --checkpoint names another.

    The config's eval_config says what else there is. metrics_set names one or more of coco_detection_metrics,
    pascal_voc_detection_metrics, weighted_pascal_voc_detection_metrics and oid_V2_detection_metrics; all but COCO's
    always come with the AP of each class. Of COCO's, include_metrics_per_category adds the mAP of each class,
    all_metrics_per_category the 12 numbers of each class, and super_categories means over groups of classes. A value
    without groundtruth to measure it on is -1 in COCO's metrics and NaN (null in JSON) in the others.
    """
    from odtk.tools.evaluate import evaluate as evaluate_checkpoint

    report = evaluate_checkpoint(pipeline_config, model_dir, checkpoint, max_bad_records, say=options.log)
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report)
    if report.bad_records:
        click.echo(f"Warning: the metrics leave out {len(report.bad_records)} bad records, named above.", err=True)
    if report.bad_boxes:
        from odtk.box_faults import count_in_words

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
    others = [(name, value, "") for name, value in report.metrics.items() if name not in report.summary]
    if others:
        _print_metrics("\nClass by class", others)
    _print_what_is_missing(report.metrics)
    click.echo(f"\nWritten to {report.metrics_path}")


def _print_what_is_missing(metrics: dict[str, float]) -> None:
    from odtk.coco_metrics import NO_GROUNDTRUTH

    nothing = "the images have no groundtruth of this kind, so there is nothing to measure"
    if NO_GROUNDTRUTH in metrics.values():
        click.echo(f"\n-1: {nothing}.")
    if any(math.isnan(value) for name, value in metrics.items() if not name.startswith("Loss/")):
        click.echo(f"\nnan: {nothing}; the mean is over the other classes.")


def _print_metrics(title: str, rows: list[tuple[str, float, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from odtk.coco_metrics import NO_GROUNDTRUTH

    form = {"title_justify": "left", "title_style": "bold", "box": None, "pad_edge": False, "show_header": False}
    table = Table(title=Text(title), **form)  # no markup: names of classes may have brackets
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for name, value, meaning in rows:
        table.add_row(Text(name), "-1" if value == NO_GROUNDTRUTH else f"{value:.4f}", meaning)
    # A metric stays on one line where a program reads along.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _document(report) -> dict:
    from odtk.tools.evaluate import without_nan

    return {
        "metrics": without_nan(report.metrics),
        "num_images": report.num_images,
        "checkpoint": str(report.checkpoint),
        "step": report.step,
        "metrics_path": str(report.metrics_path),
        "bad_records": [dataclasses.asdict(bad) for bad in report.bad_records],
        "bad_boxes": [dataclasses.asdict(image) for image in report.bad_boxes],
    }
