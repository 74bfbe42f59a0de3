"""`odtk inspect`: what is in a dataset, and what is wrong with it."""

import shutil

import click

from odtk.cli import options

_EXAMPLES_SHOWN = 3
_CLASSES_SHOWN = 30


@click.command()
@click.argument("target", type=options.any_path)
@options.format_option
@click.option(
    "--config",
    type=options.any_path,
    help="Compare the boxes with the anchors of this pipeline.config (a file or a shipped name).",
)
@options.boxes_option
@click.option("--html", type=click.Path(dir_okay=False), help="Also write one HTML file with tables and images.")
@click.option(
    "--index",
    type=click.Path(dir_okay=False),
    help="Also write an SQLite file with every image, box and class, and the examples of the findings, to be queried.",
)
@click.option("--verify", is_flag=True, help="Decode every image, regardless of --max-images.")
@click.option(
    "--max-images",
    type=click.IntRange(min=0),
    default=20_000,
    show_default=True,
    help="Decode at most this many images, evenly spaced; annotations and boxes are counted in all images.",
)
@options.overwrite_option("the --html or --index file")
@options.json_option
@options.example(
    "odtk inspect petdata",
    "odtk inspect my_voc_folder --config ssd_resnet50_v1_fpn_640x640_pets --html report.html",
    "odtk inspect 'records/train.record-*' --verify",
    "odtk inspect pipeline.config --html report.html --json",
)
def inspect(target, format, config, boxes, html, index, verify, max_images, overwrite, as_json) -> None:
    """Find the problems of a dataset before training.

    TARGET is the folder of a dataset (Pascal VOC, COCO, YOLO, CSV or the Pet layout), its data.yaml, the output folder
    of `odtk make-tfrecords`, a glob of record files (in quotes), or a pipeline.config. For a pipeline.config the
    records of its readers are the splits, and the boxes are compared with its anchors.

    Counts images and boxes per class and split, and shows their sizes and shapes. Finds images that cannot be decoded,
    damaged records, duplicates across splits, boxes that are tiny, inverted, outside the image, as large as the image
    or drawn twice, names and ids that are missing from the label map, and boxes that no anchor can match. Records are
    read completely, with their checksums.

    The exit code is 1 if something would break or degrade training.
    """
    from odtk.tools import inspect as tool

    inspection = tool.inspect(
        target, config=config, html=html, index=index, verify=verify, max_images=max_images, format=format,
        boxes=boxes, overwrite=overwrite,
    )  # fmt: skip
    if as_json:
        options.print_json(tool.document(inspection))
    else:
        _print(inspection)
    if inspection.num_errors:
        raise click.exceptions.Exit(1)


def _print(inspection) -> None:
    click.echo(f"{inspection.target}: {inspection.kind}")
    for name, value in (("config", inspection.config), ("label map", inspection.label_map)):
        if value and value != inspection.target:
            click.echo(f"{name}: {value}")
    click.echo()
    columns = ["Split", "images", "boxes", "without boxes", "unusable", "decoded"]
    rows = [[s.name, s.images, s.boxes, s.negatives, s.unusable, s.decoded] for s in inspection.splits]
    options.print_table("Splits", columns, rows)
    click.echo()
    _print_classes(inspection)
    click.echo("\nSizes and shapes")
    for histogram in inspection.histograms:
        _say(f"  {histogram.caption} ({histogram.unit}): {_counts(histogram)}", "    ")
    if inspection.coverage:
        click.echo()
        _print_coverage(inspection.coverage)
    _print_findings(inspection)


def _print_classes(inspection) -> None:
    splits = [split.name for split in inspection.splits]
    columns = ["Class", *(f"{split} {what}" for split in splits for what in ("images", "boxes"))]
    ranked = sorted(inspection.classes.items(), key=lambda item: -sum(counts.boxes for counts in item[1].values()))
    rows = [[name, *(n for split in splits for n in _numbers(counts[split]))] for name, counts in ranked]
    if len(rows) > _CLASSES_SHOWN:
        half = _CLASSES_SHOWN // 2
        hidden = [f"({len(rows) - 2 * half} more; see --json or --html)"] + [""] * (len(columns) - 1)
        rows = [*rows[:half], hidden, *rows[-half:]]
    options.print_table("Images and boxes per class", columns, rows)


def _numbers(counts) -> tuple[int, int]:
    return counts.images, counts.boxes


def _counts(histogram) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in histogram.bins if count) or f"no {histogram.of}"


def _say(text: str, indent: str = "") -> None:
    """A paragraph as wide as the terminal, its further lines indented."""
    import textwrap

    width = shutil.get_terminal_size((100, 0)).columns
    click.echo(textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def _print_coverage(coverage) -> None:
    title = (
        f"Boxes without an anchor of {coverage.similarity} {coverage.threshold:g} or more / all boxes, by size in "
        f"{coverage.frame} pixels"
    )
    rows = []
    for name, cells in coverage.classes.items():
        total = [sum(cell[0] for cell in cells), sum(cell[1] for cell in cells)]
        rows.append([name, *(f"{part}/{whole}" if whole else "-" for part, whole in [*cells, total])])
    options.print_table(title, ["Class", *coverage.sizes, "all"], rows[:_CLASSES_SHOWN])
    if len(rows) > _CLASSES_SHOWN:
        click.echo(f"({len(rows) - _CLASSES_SHOWN} more classes; see --json or --html)")
    click.echo(_coverage_sentence(coverage))


def _coverage_sentence(coverage) -> str:
    if coverage.boxes and not coverage.unmatched:
        return f"All {coverage.boxes:,} boxes have such an anchor."
    return (
        f"{coverage.unmatched:,} of {coverage.boxes:,} boxes have none: {coverage.forced:,} are matched to their best "
        f"anchor anyway (forced), {coverage.lost:,} are not matched at all."
    )


def _print_findings(inspection) -> None:
    from odtk.findings import summary

    for sentence in inspection.not_looked_at:
        click.echo()
        _say(f"Not checked: {sentence}", "  ")
    for finding in inspection.findings:
        click.echo()
        _say(f"{finding.severity}: {finding.text}", "  ")
        for example in finding.examples[:_EXAMPLES_SHOWN]:
            click.echo(f"    {example}")
        if finding.examples and finding.count > _EXAMPLES_SHOWN:
            click.echo(f"    and {finding.count - _EXAMPLES_SHOWN:,} more")
        _say(f"  Fix: {finding.fix}", "    ")
    click.echo(f"\n{summary(inspection.findings)}")
    if inspection.page:
        click.echo(f"Page: {inspection.page}")
    if inspection.index:
        click.echo(f"Index: {inspection.index}")
    click.echo(f"\nNext: {inspection.next_command or 'fix the errors above, then inspect again.'}")
