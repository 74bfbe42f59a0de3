"""`odtk view`: groundtruth boxes drawn on the images."""

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
    help="Only images whose path or file name matches this pattern (`*`, `?`); repeatable.",
)
@click.option("--worst", is_flag=True, help="Only images in which `odtk inspect` finds problems, the worst first.")
@options.boxes_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random choice of images.")
@options.overwrite_option("the --output folder", is_folder=True)
@options.json_option
@options.example(
    "odtk view petdata --output drawn",
    "odtk view records --output pugs -n 50 --class pug",
    "odtk view pipeline.config --output worst --worst",
)
def view(target, format, output, num_images, class_names, files, worst, boxes, seed, overwrite, as_json) -> None:
    """Draw the groundtruth boxes of a dataset on its images.

    TARGET is the same as for `odtk inspect`: a dataset's folder, the output of `odtk make-tfrecords`, a glob of record
    files, or a pipeline.config, whose records are read. Each box is drawn in the color of its class, with the class
    name; boxes marked as difficult, crowd or group are dashed and labeled so.

    Without --worst the images are a random sample, which is the same for the same --seed. The drawings are JPEGs named
    after the images; folders become part of the name.
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
        options.warn(on_one_line(problem))


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
