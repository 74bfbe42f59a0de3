"""`odtk view`: groundtruth drawn on pictures."""

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line


@click.command()
@click.argument("target", type=options.any_path)
@options.format_option
@click.option("--output", required=True, type=options.any_path, help="Folder to write to.")
@click.option(
    "-n", "--num-images", type=click.IntRange(min=1), default=20, show_default=True, help="How many images to draw."
)
@click.option(
    "--class",
    "class_names",
    metavar="NAME",
    multiple=True,
    help="Only images with an object of this class; repeatable.",
)
@click.option(
    "--file",
    "files",
    metavar="GLOB",
    multiple=True,
    help="Only images whose name, or its last part, fits this pattern (`*`, `?`); repeatable.",
)
@click.option("--worst", is_flag=True, help="Those in which `odtk inspect` finds the worst things, and no others.")
@options.boxes_option
@click.option("--seed", type=int, default=0, show_default=True, help="Which images are drawn, where more would do.")
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk view petdata --output drawn",
    "odtk view records --output pugs -n 50 --class pug",
    "odtk view pipeline.config --output worst --worst",
)
def view(target, format, output, num_images, class_names, files, worst, boxes, seed, overwrite, as_json) -> None:
    """Draw the groundtruth on images of a dataset.

    TARGET is what `odtk inspect` takes: a dataset's folder, the output of `odtk make-tfrecords`, the glob of record
    files, or a pipeline.config, whose records are read. Every box is drawn in its class's colour with its name; those
    marked difficult, crowd or group in the annotation are dashed, and say so.

    Without --worst the images are a random sample, the same for the same --seed. The pictures are JPEGs named after
    the images, with folders as part of the name.
    """
    from odtk.tools.view import view as draw_pictures

    report = draw_pictures(
        target, output, num_images, class_names=class_names, files=files, worst=worst, seed=seed, overwrite=overwrite,
        format=format, boxes=boxes,
    )  # fmt: skip
    if as_json:
        options.print_json(_document(report))
    else:
        _print(report)
    for problem in [*report.warnings, *report.unreadable]:
        click.echo(f"Warning: {on_one_line(problem)}", err=True)


def _print(report) -> None:
    for drawn in report.drawn:
        reason = f"; {drawn.reason}" if drawn.reason else ""
        click.echo(on_one_line(f"{drawn.picture}: {_counted(drawn.class_names)}{reason}"))
    count = len(report.drawn)
    click.echo(f"\n{count} {'picture' if count == 1 else 'pictures'} in {report.output_dir}")


def _counted(class_names) -> str:
    from collections import Counter

    return ", ".join(f"{count} {name}" for name, count in Counter(class_names).most_common()) or "no boxes"


def _document(report) -> dict:
    pictures = [
        {
            "image": drawn.image,
            "split": drawn.split,
            "picture": str(drawn.picture),
            "classes": list(drawn.class_names),
            "reason": drawn.reason or None,
        }
        for drawn in report.drawn
    ]
    return {
        "output": str(report.output_dir),
        "pictures": pictures,
        "warnings": report.warnings,
        "unreadable": report.unreadable,
    }
