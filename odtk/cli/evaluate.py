"""`odtk evaluate`: the metrics of a checkpoint."""

import dataclasses
import math
import shlex
import sys

import click

from odtk.cli import options

_CLASSES_SHOWN, _CLASSES_NAMED = 20, 8


@click.command(short_help="Evaluate a trained detector with COCO or Pascal VOC metrics.")
@click.argument("pipeline_config", type=options.any_path)
@click.argument("model_dir", type=options.any_path)
@options.checkpoint_option
@options.max_bad_records_option
@options.precision_option("float32")
@click.option("--devices", default="auto", show_default=True, metavar=options.DEVICES,
              help="What to evaluate on, a batch on each at a time. auto: all GPUs, else the CPU; all: all GPUs, or an "
              "error.")  # fmt: skip
@options.tpu_option("Evaluate")
@options.json_option
@options.example(
    "odtk evaluate pets.config model",
    "odtk evaluate pets.config model --checkpoint last --json",
)
def evaluate(pipeline_config, model_dir, checkpoint, max_bad_records, precision, devices, tpu, as_json) -> None:
    """Evaluate a trained detector on the config's evaluation records.

    Prints the 12 COCO metrics and the losses under TFOD's names, each with its meaning, and writes them to
    MODEL_DIR/eval/metrics.json (name to value; replaces an earlier evaluation) and for TensorBoard. A table shows
    images, boxes and average precision of each class, or of the best and the worst if there are many; all classes are
    in MODEL_DIR/eval/classes.json. MODEL_DIR is the one that `odtk train` wrote; the first line printed says which
    of its checkpoints is evaluated.

    eval_config selects the metrics. metrics_set is one or more of coco_detection_metrics,
    pascal_voc_detection_metrics, weighted_pascal_voc_detection_metrics and oid_V2_detection_metrics; all but COCO's
    include the AP of each class. For COCO, include_metrics_per_category adds the mAP of each class,
    all_metrics_per_category all 12 metrics of each class, and super_categories the means over groups of classes. A
    metric without any groundtruth is -1 for COCO and NaN (null in JSON) for the others.
    """
    from odtk.tools.evaluate import evaluate as evaluate_checkpoint

    report = evaluate_checkpoint(
        pipeline_config,
        model_dir,
        checkpoint=checkpoint,
        max_bad_records=max_bad_records,
        precision=precision,
        devices=devices,
        tpu=tpu,
        log=options.log,
    )
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report)
        chosen = ["--checkpoint", checkpoint] if checkpoint else []
        click.echo("Next: " + shlex.join(["odtk", "export", pipeline_config, model_dir, "exported", *chosen]))
    if report.bad_records:
        options.warn(f"the metrics leave out {len(report.bad_records)} bad records, listed above.")
    if report.bad_boxes:
        from odtk.records.box_errors import count_in_words

        options.warn(f"the metrics leave out {count_in_words(report.bad_boxes)}, listed above.")
    if report.repeated_images:
        options.warn(f"{report.repeated_images} images were ignored because they repeat an earlier image's source_id.")


def _print(report) -> None:
    step = "" if report.step is None else f" (step {report.step})"
    title = f"{report.checkpoint}{step} on {report.num_images} images"
    _print_metrics(title, [(name, value, report.meanings[name]) for name, value in report.summary.items()])
    _print_classes(report)
    in_table = next(iter(report.metrics)).partition("_")[0] + "_PerformanceByCategory/"
    others = [(name, value, "") for name, value in report.metrics.items()
              if name not in report.summary and not name.startswith(in_table)]  # fmt: skip
    if others:
        _print_metrics("\nClass by class", others)
    _print_what_is_missing([value for name, value in report.metrics.items() if name not in report.losses])
    click.echo(f"\nWrote {report.metrics_path}")


def _print_classes(report) -> None:
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


def _print_what_is_missing(values: list[float]) -> None:
    from odtk.evaluation.coco import NO_GROUNDTRUTH

    nothing = "the images have no groundtruth of this kind"
    if NO_GROUNDTRUTH in values:
        click.echo(f"\n-1: {nothing}.")
    if any(map(math.isnan, values)):
        click.echo(f"\nnan: {nothing}; means are over the other classes.")


def _print_metrics(title: str, rows: list[tuple[str, float, str]]) -> None:
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
