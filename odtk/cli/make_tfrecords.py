"""`odtk make-tfrecords`: annotations to TFRecord shards."""

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line

_NAMED = 40  # files per list on the screen; dataset.json and --json have them all
_ALIKE = 3  # of problems that differ in nothing but the file, so many are shown one by one
_SPLITS = ("train", "val", "test")


def _split_places(context, parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [tuple(value.split("=", 1)) for value in values]
    for pair, value in zip(pairs, values, strict=True):
        if len(pair) != 2 or pair[0] not in _SPLITS or not pair[1]:
            raise click.BadParameter(f"{value!r} is not train=PLACE, val=PLACE or test=PLACE.", context, parameter)
    if len(dict(pairs)) < len(pairs):
        raise click.BadParameter("a split is given twice. Put its images into one list or folder.", context, parameter)
    return dict(pairs)


@click.command()
@click.argument("data_dir", type=options.any_path)
@click.argument("output_dir", type=options.any_path)
@click.option(
    "--format",
    type=click.Choice(["pets", "voc", "coco", "yolo", "csv"]),
    help="What the annotations are.  [default: guessed from the folder, and said]",
)
@click.option(
    "--label-map",
    type=options.any_path,
    help="Names and ids of the classes: a file, or the name of a shipped one.  "
    "[default: made from the data; for pets the 37 breeds of pet_label_map]",
)
@click.option("--write-label-map", type=options.any_path, help="Where else to write a label map made from the data.")
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.3,
    show_default=True,
    help="Share of the images that is set aside for evaluation.",
)
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of the images that is set aside for a last test.",
)
@click.option(
    "--split",
    multiple=True,
    callback=_split_places,
    metavar="SPLIT=PLACE",
    help="The images of a split (train, val or test): a text file with one per line, or a folder. Where none is given "
    "for train, it gets all others.",
)
@click.option("--resplit", is_flag=True, help="Split by fraction although the data set has splits of its own.")
@click.option("--seed", type=int, default=42, show_default=True, help="Of the shuffle before the split.")
@click.option(
    "--allow-duplicates", is_flag=True, help="Let near-duplicates of an image into other splits than its own."
)
@click.option(
    "--exif",
    type=click.Choice(["auto", "apply", "ignore"]),
    default="auto",
    show_default=True,
    help="Images that have an EXIF orientation: turn the pixels (apply), leave them (ignore), or leave them only where "
    "their annotation, or the rest of the data set, shows that they were annotated as stored (auto).",
)
@options.boxes_option
@click.option(
    "--max-side",
    type=click.IntRange(min=1),
    metavar="N",
    help="Shrink images whose longer side has more pixels, to N; smaller ones stay as they are.",
)
@click.option(
    "--skip-difficult",
    is_flag=True,
    help="Leave out objects that are marked as difficult; the model learns them as background.",
)
@click.option(
    "--skip-crowd", is_flag=True, help="Leave out objects that stand for a crowd; they, too, are learned as background."
)
@click.option("--masks", is_flag=True, help="Write the masks of COCO annotations.")
@click.option(
    "--full-body/--faces-only",
    default=False,
    show_default=True,
    help="For pets: boxes of the faces, from the xml files; or of the bodies, from the trimaps, with their masks.",
)
@click.option(
    "--mask-type",
    type=click.Choice(["png", "numerical"]),
    default="png",
    show_default=True,
    help="How a mask is stored: as a PNG, or as a list of numbers (large).",
)
@click.option("--strict-tfod", is_flag=True, help="For pets: keep TFOD's choice of records and bytes, repair nothing.")
@click.option(
    "--num-shards",
    type=click.IntRange(1, 99999),
    help="Files per split.  [default: 10, or as many as a split has images, where these are fewer; always 10 for pets]",
)
@click.option(
    "--max-bad-fraction",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Refuse, and write nothing, if more of the listed images than this cannot be used.",
)
@options.overwrite_option("OUTPUT_DIR", is_folder=True)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Threads or processes; any number gives the same bytes.  [default: one per core]",
)
@click.option(
    "--runner",
    help="Convert with Apache Beam, on this runner: DirectRunner, DataflowRunner, FlinkRunner ... Its own options "
    "follow at the end, behind --. The workers need odtk installed, and paths that all of them see.",
)
@click.argument("runner_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- RUNNER_OPTIONS]")
@options.json_option
@options.example(
    "odtk make-tfrecords petdata petdata/tfrecords",
    "odtk make-tfrecords mydata records --val-fraction 0.2 --num-shards 4",
    "odtk make-tfrecords coco records --split train=images/train2017 --split val=images/val2017",
    "odtk make-tfrecords gs://bucket/data gs://bucket/records --num-shards 100",
)
def make_tfrecords(data_dir, output_dir, format, as_json, **settings) -> None:
    """Convert annotated images to TFRecord shards.

    DATA_DIR holds Pascal VOC xml files, a COCO json, YOLO txt files with their data.yaml (which may be named instead of
    its folder), a CSV with one box per row, or the Oxford-IIIT Pet dataset: images/NAME.jpg, annotations/trainval.txt,
    annotations/xmls/NAME.xml and, for full bodies, annotations/trimaps/NAME.png. Pets are split, named and written as
    by TFOD's create_pet_tf_record; own data in their layout is read as Pascal VOC. Any other data set keeps its own
    splits or is split by fraction, each class alike, with near-duplicates on one side.

    Every image is decoded to the end: one that cannot be is left out, and one that TensorFlow would read wrongly
    (CMYK, transparent, 16 bits deep, WebP, turned by its EXIF orientation ...) becomes an RGB JPEG. Boxes that reach
    outside are clipped, and exchanged corners are put in order; an image with a box that is empty or wholly outside is
    left out. Images without objects stay, as negatives. What one image does not tell, as whether its boxes are pixels
    of a larger copy, is decided by what all of them prove. Nothing goes silently: tables count what was written,
    repaired and skipped, and the files are named.

    OUTPUT_DIR also gets the label map and dataset.json, by which `odtk configure` knows the folder.
    """
    from odtk.tools.make_tfrecords import make_tfrecords as convert

    report = convert(data_dir, output_dir, format, **settings)
    if as_json:
        import dataclasses

        options.print_json({**dataclasses.asdict(report), "next": report.next_command})
    else:
        _print(report)
    for warning in report.warnings:
        click.echo(f"Warning: {warning}", err=True)


def _print(report) -> None:
    guessed = " (guessed; name another with --format)" if report.format_was_guessed else ""
    click.echo(f"format: {report.format}{guessed}\nsplits: {report.split_source}\n")
    options.print_table("Images", ["", "count"], _image_rows(report))
    for title, found in _lists(report).items():
        if found:
            click.echo(f"\n{title}:")
            click.echo("\n".join(f"  {on_one_line(str(line))}" for line in found[:_NAMED]))
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
    click.echo(f"\nNext: {report.next_command}")


def _lists(report) -> dict[str, list]:
    alike = [
        " looks like ".join(f"{split} {', '.join(keys)}" for split, keys in group.items())
        for group in report.duplicates
    ]
    named = {"Repaired": report.repaired, "Skipped": report.skipped, "Reported": report.problems}
    return {title: _lines(found) for title, found in named.items()} | {"Near-duplicates in several splits": alike}


def _lines(problems) -> list[str]:
    """A line for each problem; of many that differ in nothing but the file, one with the count."""
    found: dict[tuple[str, str], list] = {}
    for problem in problems:
        found.setdefault((problem.kind, problem.text), []).append(problem)
    lines = []
    for group in found.values():
        more = f" ({len(group) - 1} more like it, in dataset.json)" if len(group) > _ALIKE else ""
        lines += [f"{problem}{more}" for problem in (group[:1] if more else group)]
    return lines


def _image_rows(report) -> list[list]:
    from collections import Counter

    rows = [["listed", report.listed], ["written", report.written]]
    groups = {"repaired": report.repaired, "skipped": report.skipped, "reported": report.problems}
    more = [["written without objects", sum(split.negatives for split in report.splits.values())]]
    for title, found in groups.items():
        more += [[f"{title}: {kind}", count] for kind, count in Counter(problem.kind for problem in found).items()]
    more += [["near-duplicates of another image", report.near_duplicates]]
    more += [["near-duplicates in several splits", len(report.duplicates)]]
    more += [["objects left out, as asked", report.left_out_objects]]
    more += [["shrunk to --max-side", report.shrunk_images]]
    return rows + [row for row in more if row[1]]


def _class_rows(report) -> list[list]:
    splits = report.splits.values()
    rows = []
    for name in sorted({name for split in splits for name in split.classes}, key=str.lower):
        found = [split.classes.get(name) for split in splits]
        rows.append([name, *(count for each in found for count in ((each.images, each.boxes) if each else (0, 0)))])
    return [*rows, ["all", *(count for split in splits for count in (split.images, split.boxes))]]
