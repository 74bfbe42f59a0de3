"""`odtk make-tfrecords`: annotations to TFRecord shards."""

import click

from odtk.cli import options

_NAMED = 40  # files per list on the screen; dataset.json and --json have them all


@click.command()
@click.argument("data_dir", type=options.existing_folder)
@click.argument("output_dir", type=options.any_path)
@click.option(
    "--faces-only/--full-body",
    default=True,
    show_default=True,
    help="Boxes of the faces, from the xml files; or of the bodies, from the trimaps, with their masks.",
)
@click.option(
    "--mask-type",
    type=click.Choice(["png", "numerical"]),
    default="png",
    show_default=True,
    help="How --full-body stores a mask: as a PNG, or as a list of numbers (large).",
)
@click.option("--num-shards", type=click.IntRange(1, 99999), default=10, show_default=True, help="Files per split.")
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.3,
    show_default=True,
    help="Share of the images that is set aside for evaluation.",
)
@click.option("--seed", type=int, default=42, show_default=True, help="Of the shuffle before the split.")
@click.option(
    "--label-map",
    type=options.any_path,
    help="Names and ids of the classes: a file, or the name of a shipped one.  [default: pet_label_map, 37 breeds]",
)
@click.option(
    "--max-bad-fraction",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Refuse, and write nothing, if more of the listed images than this cannot be used.",
)
@click.option("--strict-tfod", is_flag=True, help="Keep TFOD's choice of records and bytes: repair and drop nothing.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT_DIR if it is an earlier output of this command.")
@options.json_option
@options.example(
    "odtk make-tfrecords petdata petdata/tfrecords",
    "odtk make-tfrecords mydata records --label-map my_label_map.pbtxt --num-shards 4 --val-fraction 0.2",
)
def make_tfrecords(data_dir, output_dir, faces_only, label_map, as_json, **settings) -> None:
    """Convert annotated images to TFRecord shards.

    DATA_DIR has the layout of the Oxford-IIIT Pet dataset: images/NAME.jpg, annotations/trainval.txt with one NAME per
    line, annotations/xmls/NAME.xml (Pascal VOC) and, for full bodies, annotations/trimaps/NAME.png. A NAME is
    CLASS_NUMBER. Split, shards, file names and features are those of TFOD's create_pet_tf_record.

    Every image is decoded to the end: one that cannot be is left out, and a GIF, PNG or CMYK image named .jpg becomes
    an RGB JPEG. Objects with an empty or inverted box are dropped. Nothing goes silently: a table counts what was
    written, repaired and skipped, and the files are named.

    OUTPUT_DIR also gets the label map and dataset.json, by which `odtk configure` knows the folder.
    """
    from odtk.tools.make_tfrecords import make_tfrecords as convert

    report = convert(data_dir, output_dir, full_body=not faces_only, label_map_path=label_map, **settings)
    if as_json:
        import dataclasses

        options.print_json(dataclasses.asdict(report))
    else:
        _print(report)


def _print(report) -> None:
    options.print_table("Images", ["", "count"], _image_rows(report))
    for title, found in (("Repaired", report.repaired), ("Skipped", report.skipped), ("Reported", report.problems)):
        if found:
            click.echo(f"\n{title}:")
            click.echo("\n".join(f"  {problem}" for problem in found[:_NAMED]))
        if len(found) > _NAMED:
            click.echo(f"  and {len(found) - _NAMED} more, in {report.output_dir}/dataset.json")
    click.echo()
    splits = list(report.splits)
    columns = ["Class", *(f"{split} {what}" for split in splits for what in ("images", "boxes"))]
    options.print_table("Images and boxes per class", columns, _class_rows(report))
    click.echo()
    for split, records in report.records.items():
        click.echo(f"{split} records: {records}")
    click.echo(f"label map: {report.label_map}")


def _image_rows(report) -> list[list]:
    from collections import Counter

    rows = [["listed", report.listed], ["written", report.written]]
    groups = {"repaired": report.repaired, "skipped": report.skipped, "reported": report.problems}
    for title, found in groups.items():
        kinds = Counter(problem.kind for problem in found)
        rows += [[f"{title}: {kind}", count] for kind, count in kinds.items()] or [[title, 0]]
    return [*rows, ["objects dropped", report.dropped_objects]]


def _class_rows(report) -> list[list]:
    splits = report.splits.values()
    rows = []
    for name in sorted({name for split in splits for name in split.classes}, key=str.lower):
        found = [split.classes.get(name) for split in splits]
        rows.append([name, *(count for each in found for count in ((each.images, each.boxes) if each else (0, 0)))])
    return [*rows, ["all", *(count for split in splits for count in (split.images, split.boxes))]]
