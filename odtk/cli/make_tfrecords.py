"""`odtk make-tfrecords`: annotations to TFRecord shards."""

import click

from odtk.cli import options
from odtk.terminal_text import on_one_line

_NAMED = 40  # files printed per list; dataset.json and --json have all of them
_ALIKE = 3  # up to this number, problems that differ only in the file are printed one by one
_SPLITS = ("train", "val", "test")


def _split_places(context, parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=")[::2] for value in values]
    for (split, place), value in zip(pairs, values, strict=True):
        if split not in _SPLITS or not place:
            raise click.BadParameter(f"{value!r} is not train=PATH, val=PATH or test=PATH.", context, parameter)
    if len(dict(pairs)) < len(pairs):
        raise click.BadParameter("a split is given twice. Put its images in one list or folder.", context, parameter)
    return dict(pairs)


@click.command()
@click.argument("data_dir", type=options.any_path)
@click.argument("output_dir", type=options.any_path)
@options.format_option
@click.option(
    "--label-map",
    type=options.any_path,
    help="Label map with the names and ids of the classes: a file, or the name of a shipped one.  "
    "[default: made from the data; for pets pet_label_map, with 37 breeds]",
)
@click.option(
    "--write-label-map", type=options.any_path, help="Also write the label map that is made from the data to this file."
)
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.3,
    show_default=True,
    help="Fraction of the images for the val split.",
)
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Fraction of the images for the test split.",
)
@click.option(
    "--split",
    multiple=True,
    callback=_split_places,
    metavar="SPLIT=PATH",
    help="The images of a split (train, val or test): a text file with one image per line, or a folder. If none is "
    "given for train, it gets all other images. Repeatable.",
)
@click.option("--resplit", is_flag=True, help="Split by fraction even if the dataset has splits of its own.")
@click.option("--seed", type=int, default=42, show_default=True, help="Seed of the random split.")
@click.option("--allow-duplicates", is_flag=True, help="Allow near-duplicates of an image in a different split.")
@options.exif_option(
    "For images with an EXIF orientation: rotate the pixels (apply), keep them (ignore), or rotate unless the "
    "annotation or the rest of the dataset shows that they were annotated unrotated (auto)."
)
@options.boxes_option
@click.option(
    "--max-side",
    type=click.IntRange(min=1),
    metavar="N",
    help="Shrink images whose longer side has more than N pixels to that size.",
)
@click.option(
    "--skip-difficult",
    is_flag=True,
    help="Leave out objects that are marked as difficult; the model learns them as background.",
)
@click.option(
    "--skip-crowd", is_flag=True, help="Leave out objects that are marked as a crowd; they are learned as background."
)
@click.option("--masks", is_flag=True, help="Write the masks of COCO annotations.")
@click.option(
    "--full-body/--faces-only",
    default=False,
    show_default=True,
    help="For pets: boxes of the faces, from the xml files, or of the bodies, from the trimaps, with masks.",
)
@click.option(
    "--mask-type",
    type=click.Choice(["png", "numerical"]),
    default="png",
    show_default=True,
    help="How masks are stored: as PNG, or as a list of numbers (large).",
)
@click.option(
    "--strict-tfod", is_flag=True, help="For pets: write exactly the records that TFOD writes, without any repair."
)
@click.option(
    "--num-shards",
    type=click.IntRange(1, 99999),
    help="Files per split.  [default: 10, or fewer if a split has fewer images; always 10 for pets]",
)
@click.option(
    "--max-bad-fraction",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Stop and write nothing if more than this fraction of the listed images is unusable.",
)
@options.overwrite_option("OUTPUT_DIR", is_folder=True)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of threads or processes; it does not change the output.  [default: one per core]",
)
@click.option(
    "--runner",
    help="Convert with Apache Beam on this runner: DirectRunner, DataflowRunner, FlinkRunner ... Its own options come "
    "last, after --. The workers need odtk installed, and paths that all of them can read.",
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

    DATA_DIR holds Pascal VOC xml files, a COCO json, YOLO txt files with their data.yaml (which can be given instead of
    its folder), a CSV with one box per row, or the Oxford-IIIT Pet dataset: images/NAME.jpg, annotations/trainval.txt,
    annotations/xmls/NAME.xml and, for full bodies, annotations/trimaps/NAME.png. Pets are split, named and written as
    by TFOD's create_pet_tf_record; your own data in the Pet layout is read as Pascal VOC. Any other dataset keeps its
    own splits or is split by fraction, stratified by class, with near-duplicates in the same split.

    Every image is fully decoded. Images that cannot be decoded are left out, and images that TensorFlow would read
    wrongly (CMYK, transparent, 16-bit, WebP, rotated by their EXIF orientation ...) become RGB JPEGs. Boxes that extend
    beyond the image are clipped, and swapped corners are put in order; an image with a box that is empty or completely
    outside is left out. Images without objects are kept as negatives. What cannot be told from a single image, such as
    whether boxes are in pixels of a larger copy, is decided from the whole dataset. Tables count the images that were
    written, repaired and skipped, and each affected file is listed.

    OUTPUT_DIR also gets the label map and dataset.json, which `odtk configure` reads.
    """
    from odtk.tools.make_tfrecords import make_tfrecords as convert

    report = convert(data_dir, output_dir, format, **settings)
    if as_json:
        import dataclasses

        options.print_json({**dataclasses.asdict(report), "next": report.next_command})
    else:
        _print(report)
    for warning in report.warnings:
        options.warn(warning)


def _print(report) -> None:
    guessed = " (detected; choose another with --format)" if report.format_was_guessed else ""
    click.echo(f"format: {report.format}{guessed}\nsplits: {report.split_source}\n")
    options.print_table("Images", ["", "count"], _image_rows(report))
    for title, found in _lists(report).items():
        if found:
            click.echo(f"\n{title}:")
            click.echo("\n".join(f"  {on_one_line(str(line))}" for line in found[:_NAMED]))
        if len(found) > _NAMED:
            click.echo(f"  and {len(found) - _NAMED} more; see {report.output_dir}/dataset.json")
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
    """A line for each problem, or a single line with the count for many that differ only in the file."""
    found: dict[tuple[str, str], list] = {}
    for problem in problems:
        found.setdefault((problem.kind, problem.text), []).append(problem)
    lines = []
    for group in found.values():
        more = f" (and {len(group) - 1} more like this; see dataset.json)" if len(group) > _ALIKE else ""
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
