"""`odtk evaluate`: the metrics of a checkpoint."""

import dataclasses
import os
import shlex

import click

from odtk.cli import evaluation_tables, options
from odtk.cli.next_steps import print_next_steps
from odtk.terminal_text import on_one_line


@click.command(short_help="Evaluate a detector with COCO or Pascal VOC metrics, and show where it is wrong.")
@click.argument("pipeline_config", metavar="[PIPELINE_CONFIG]", type=options.any_path)
@click.argument("model_dir", metavar="MODEL", required=False, type=options.any_path)
@click.option("--checkpoint", type=options.any_path, metavar="best|last|all|PREFIX",
              help="The checkpoint that was best while it was trained, the last one, or one by its prefix, e.g. "
              "model/ckpt-600; all measures each of them.  [default: the best where there is one, else the last]",
              )  # fmt: skip
@click.option("--groundtruth", metavar="RECORDS|JSON|FOLDER|CONFIG", type=options.any_path,
              help="Evaluate on these instead of the config's records: records (a file, a glob in quotes, a folder), "
              "COCO's groundtruth JSON, the folder of an annotated dataset, or a config with evaluation records.",
              )  # fmt: skip
@click.option("--label-map", help="Label map of the model's classes, a file or a shipped name, where it has none of "
              "its own; also that of records without one.")  # fmt: skip
@click.option("--compare", metavar="OTHER", type=options.any_path,
              help="Another model or file of detections, to compare with on the same images.")  # fmt: skip
@click.option("--report/--no-report", default=True, show_default=True,
              help="Write report.html, which shows where the detector is wrong.")  # fmt: skip
@click.option("--export-suspects", metavar="FILE.csv", type=options.any_path,
              help="Write the suspected label errors, for whoever corrects them.")  # fmt: skip
@click.option("--output", metavar="FOLDER", type=options.any_path,
              help="Folder to write to.  [default: eval in a model dir, NAME-eval beside an exported model or a JSON "
              "file]")  # fmt: skip
@options.max_bad_records_option
@options.precision_option("float32")
@click.option("--devices", default="auto", show_default=True, metavar=options.DEVICES,
              help="What to evaluate on, a batch on each at a time. auto: all GPUs, else the CPU; all: all GPUs, or an "
              "error.")  # fmt: skip
@options.tpu_option("Evaluate")
@options.json_option
@options.example(
    "odtk evaluate pets.config model",
    "odtk evaluate model --checkpoint all",
    "odtk evaluate exported --groundtruth instances_val.json --compare model/eval/detections.json",
    "odtk evaluate detections.json --groundtruth instances_val.json --export-suspects suspects.csv",
)
def evaluate(
    pipeline_config, model_dir, checkpoint, groundtruth, label_map, compare, report, export_suspects, output,
    max_bad_records, precision, devices, tpu, as_json,
) -> None:  # fmt: skip
    """Evaluate a detector on annotated images, and show where it is wrong.

    MODEL is a model dir that `odtk train` wrote, one of its checkpoints (model/ckpt-600), a folder of `odtk export` or
    of TFOD's exporter, or a JSON file of detections in COCO's results form, of any tool. The images are the evaluation
    records of PIPELINE_CONFIG, by default the pipeline.config in MODEL, or those of --groundtruth. Classes of a model
    and of another groundtruth are compared by their names, images of a JSON file by file_name or image_id; what has no
    counterpart is counted and named.

    Prints the 12 COCO metrics and, of a checkpoint on records, the losses under TFOD's names, each with its meaning,
    and writes them to metrics.json in the folder eval of a model dir (name to value; replaces an earlier evaluation)
    and for TensorBoard. A table shows images, boxes and average precision of each class, or of the best and the worst
    if there are many; all classes are in classes.json, all detections in detections.json. report.html shows where the
    detector is wrong, and the three things to do next are printed, too. The first line printed says which checkpoint is
    evaluated.

    eval_config selects the metrics. metrics_set is one or more of coco_detection_metrics,
    pascal_voc_detection_metrics, weighted_pascal_voc_detection_metrics and oid_V2_detection_metrics; all but COCO's
    include the AP of each class. For COCO, include_metrics_per_category adds the mAP of each class,
    all_metrics_per_category all 12 metrics of each class, and super_categories the means over groups of classes. A
    metric without any groundtruth is -1 for COCO and NaN (null in JSON) for the others.
    """
    from odtk.tools.evaluate import evaluate as evaluate_model

    found = evaluate_model(
        pipeline_config,
        model_dir,
        checkpoint=checkpoint,
        groundtruth=groundtruth,
        label_map=label_map,
        compare=compare,
        report=report,
        export_suspects=export_suspects,
        output=output,
        max_bad_records=max_bad_records,
        precision=precision,
        devices=devices,
        tpu=tpu,
        log=options.log,
    )
    if as_json:
        options.print_json(_document(found))
    else:
        _print(found)
        _print_next(found, pipeline_config, model_dir, checkpoint)
    _warn(found)


def _print_next(report, pipeline_config, model_dir, checkpoint) -> None:
    if report.report_path:
        click.echo(f"Next: open {report.report_path}")
    if report.checkpoint:
        if model_dir is None:  # MODEL alone, with its own config
            model_dir, prefix = pipeline_config, str(report.checkpoint)
            folder = os.path.dirname(prefix) if model_dir == prefix else model_dir
            pipeline_config = os.path.join(folder, "pipeline.config")
        chosen = report.checkpoint if checkpoint == "all" else checkpoint
        options_of_export = [] if chosen is None else ["--checkpoint", str(chosen)]
        click.echo(
            "Next: " + shlex.join(["odtk", "export", pipeline_config, model_dir, "exported", *options_of_export])
        )


def _warn(report) -> None:
    if report.bad_records:
        options.warn(f"the metrics leave out {len(report.bad_records)} bad records, listed above.")
    if report.bad_boxes:
        from odtk.records.box_errors import count_in_words

        options.warn(f"the metrics leave out {count_in_words(report.bad_boxes)}, listed above.")
    if report.repeated_images:
        options.warn(f"{report.repeated_images} images were ignored because they repeat an earlier image's source_id.")
    for note in report.notes:
        options.warn(on_one_line(note))


def _print(report) -> None:
    step = "" if report.step is None else f" (step {report.step})"
    if report.checkpoints:
        evaluation_tables.print_checkpoints(report)
    title = f"{report.model}{step} on {report.num_images} images"
    evaluation_tables.print_metrics(
        title, [(name, value, report.meanings[name]) for name, value in report.summary.items()]
    )
    evaluation_tables.print_classes(report)
    in_table = next(iter(report.metrics)).partition("_")[0] + "_PerformanceByCategory/"
    others = [(name, value, "") for name, value in report.metrics.items()
              if name not in report.summary and not name.startswith(in_table)]  # fmt: skip
    if others:
        evaluation_tables.print_metrics("\nClass by class", others)
    evaluation_tables.print_what_is_missing(
        [value for name, value in report.metrics.items() if name not in report.losses]
    )
    if report.explanation is not None:
        if report.explanation.compared is not None:
            evaluation_tables.print_comparison(report.explanation.compared)
        print_next_steps(report.explanation.findings)
    click.echo(f"\n{_speed(report)}")
    paths = (report.metrics_path, report.detections_path, report.suspects_path)
    click.echo(f"Wrote {', '.join(str(path) for path in (*paths, report.thresholds_path, report.report_path) if path)}")


def _speed(report) -> str:
    """The seconds of each stage, in one line."""
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items())
    return f"{report.num_images} images: {stages}"


def _document(report) -> dict:
    explained = {} if report.explanation is None else report.explanation.document()
    return {
        "metrics": report.metrics,
        "num_images": report.num_images,
        "model": report.model,
        "groundtruth": report.groundtruth,
        "checkpoint": None if report.checkpoint is None else str(report.checkpoint),
        "step": report.step,
        "metrics_path": str(report.metrics_path),
        "classes": list(report.classes),
        "classes_path": str(report.classes_path),
        "bad_records": [dataclasses.asdict(bad) for bad in report.bad_records],
        "bad_boxes": [dataclasses.asdict(image) for image in report.bad_boxes],
        "notes": list(report.notes),
        "seconds": dict(report.seconds),
        "detections_path": _shown(report.detections_path),
        "report_path": _shown(report.report_path),
        "thresholds_path": _shown(report.thresholds_path),
        "suspects_path": _shown(report.suspects_path),
        "checkpoints_path": _shown(report.checkpoints_path),
        "checkpoints": [dataclasses.asdict(each) for each in report.checkpoints],
        # The rest of it is in the report's explanation.json.
        "findings": explained.get("findings"),
        "comparison": explained.get("comparison"),
    }


def _shown(path) -> str | None:
    return None if path is None else str(path)
