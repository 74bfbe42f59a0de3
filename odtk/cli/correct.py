"""`odtk correct`: corrections of annotations, written into a dataset's own files."""

import dataclasses

import click

from odtk.cli import options
from odtk.cli.options import print_json
from odtk.terminal_text import on_one_line


@click.command(short_help="Write corrections into annotation files.")
@click.argument("data_dir", type=options.any_path)
@click.argument("corrections", type=options.any_path)
@options.format_option
@options.boxes_option
@options.exif_option("As for make-tfrecords: whether boxes are of the rotated image.")
@click.option("--resume", is_flag=True,
              help="Leave out what an earlier writing of the table, which was cut off, has made.")  # fmt: skip
@options.json_option
@options.example("odtk correct photos corrections.csv", "odtk correct photos corrections.csv --json")
def correct(data_dir, corrections, as_json, **settings) -> None:
    """Write corrections of annotations into the files of a dataset.

    DATA_DIR is the folder of a VOC, COCO, YOLO or CSV dataset (of the Pet layout boxes can be changed, but not
    classes). CORRECTIONS is a table that `odtk studio` writes while someone looks at suspected label errors: a row for
    each box, with its image, the decision (keep, change or discard), what is annotated, and what is right. A row
    without an annotated box adds one.

    Only the annotations in question are changed: comments, order, spaces and all other values of a file stay. The
    original is kept beside it as NAME.orig, the first time. If one correction cannot be written, or a file would not be
    read as it should, no file is changed.
    """
    from odtk.tools.correct import correct as run

    report = run(data_dir, corrections, **settings, log=options.log)
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    counts = [
        ("changed", report.changed),
        ("added", report.added),
        ("discarded", report.discarded),
        ("kept", report.kept),
    ]
    counts += [("written before", report.already)] if report.already else []
    click.echo("Boxes: " + ", ".join(f"{count} {name}" for name, count in counts))
    for path in report.files:
        click.echo(f"  {on_one_line(path)}")
