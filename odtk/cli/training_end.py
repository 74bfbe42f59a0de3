"""What a training has come to, printed at the end of `odtk train` and `odtk demo`."""

import click

from odtk.cli.options import print_table

_CLASSES_SHOWN = 20
_NO_GROUNDTRUTH = -1  # COCO's value where the images have none of a kind


def print_end(report) -> None:
    """The tables of a TrainingReport that has a summary."""
    from odtk.progress import as_clock

    summary = report.summary
    loss = f", Loss/total_loss {report.losses['Loss/total_loss']:.4g}" if report.losses else ""
    click.echo(f"Trained to step {report.last_step}{loss}: {report.reason}. It took {as_clock(summary.seconds)}.\n")
    if summary.best_step is not None:
        name = summary.best_metric.rpartition("/")[2]
        title = f"Best by {name}: step {summary.best_step:,}"
        print_table(title, ["Metric", ""], [[name, _plain(value)] for name, value in summary.best_metrics.items()])
        click.echo()
        if summary.best_classes:
            _print_classes(summary.best_classes)
    rows = [[name, as_clock(value), f"{value / summary.seconds:.0%}"] for name, value in summary.times.items()]
    print_table("Where the time went", ["Part", "h:mm:ss", ""], rows)
    click.echo(f"\nCheckpoint: {report.checkpoint}")
    for what, paths in summary.places.items():
        click.echo(f"{what[0].upper()}{what[1:]}: {', '.join(paths)}")
    if summary.early_stopping:
        click.echo(f"Early stopping: {summary.early_stopping}")
    for command in summary.next:
        click.echo(f"Next: {command}")


def _print_classes(classes: dict[str, float]) -> None:
    """The best first; of many only the best and the worst."""
    measured = [each for each in classes.items() if each[1] != _NO_GROUNDTRUTH]
    ranked = sorted(measured, key=lambda each: -each[1])
    rows = [[name, f"{value:.4f}"] for name, value in ranked]
    if len(rows) > _CLASSES_SHOWN:
        half = _CLASSES_SHOWN // 2
        rows = [*rows[:half], [f"({len(rows) - 2 * half} more; see evaluations.csv)", ""], *rows[-half:]]
    print_table("Its classes", ["Class", "AP"], rows)
    click.echo()


def _plain(value: float) -> str:
    return "-1" if value == _NO_GROUNDTRUTH else f"{value:.4f}"
