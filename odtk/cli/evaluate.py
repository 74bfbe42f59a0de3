"""`odtk evaluate`: the COCO metrics of a checkpoint."""

import sys

import click

from odtk.cli import options


@click.command(short_help="Measure a trained detector: the 12 COCO numbers.")
@click.argument("pipeline_config", type=options.any_path)
@click.argument("model_dir", type=options.any_path)
@click.option(
    "--checkpoint", type=options.any_path, help="Prefix of the checkpoint, as model/ckpt-600.  [default: the newest]"
)
@options.json_option
@options.example(
    "odtk evaluate pets.config model",
    "odtk evaluate pets.config model --checkpoint model/ckpt-600 --json",
)
def evaluate(pipeline_config, model_dir, checkpoint, as_json) -> None:
    """Measure a trained detector on the config's evaluation records.

    Prints the 12 COCO numbers under TFOD's names, each with what it means, and writes them to
    MODEL_DIR/eval/metrics.json (name to value) and for TensorBoard. MODEL_DIR is what `odtk train` wrote; its newest
    checkpoint is measured unless --checkpoint names another. With include_metrics_per_category in the config's
    eval_config, the mAP of every class is added.
    """
    from odtk.tools.evaluate import evaluate as evaluate_checkpoint

    report = evaluate_checkpoint(pipeline_config, model_dir, checkpoint)
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report)
    if report.repeated_images:
        click.echo(
            f"Warning: {report.repeated_images} images were ignored, as an image with the same source_id came before.",
            err=True,
        )


def _print(report) -> None:
    from odtk.coco_metrics import METRIC_MEANINGS, NO_GROUNDTRUTH

    step = "" if report.step is None else f" (step {report.step})"
    title = f"{report.checkpoint}{step} on {report.num_images} images"
    _print_metrics(title, [(name, value, METRIC_MEANINGS[name]) for name, value in report.summary.items()])
    others = [(name, value, "") for name, value in report.metrics.items() if name not in report.summary]
    if others:
        _print_metrics("\nAverage precision of each class", others)
    if NO_GROUNDTRUTH in report.metrics.values():
        click.echo("\n-1: the images have no groundtruth of this kind, so there is nothing to measure.")
    click.echo(f"\nWritten to {report.metrics_path}")


def _print_metrics(title: str, rows: list[tuple[str, float, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for name, value, meaning in rows:
        table.add_row(name, "-1" if value < 0 else f"{value:.4f}", meaning)
    # A metric stays on one line where a program reads along.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _document(report) -> dict:
    return {
        "metrics": report.metrics,
        "num_images": report.num_images,
        "checkpoint": str(report.checkpoint),
        "step": report.step,
        "metrics_path": str(report.metrics_path),
    }
