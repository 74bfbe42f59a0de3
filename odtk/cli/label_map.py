"""`odtk label-map`: check, make and show the file that maps class ids to names."""

import click

from odtk.cli import options


@click.group(name="label-map", short_help="Check, make or show a label map.")
@options.example(
    "odtk label-map check label_map.pbtxt --data petdata",
    "odtk label-map make petdata --output label_map.pbtxt",
    "odtk label-map show pet_label_map",
)
def label_map() -> None:
    """Check, make or show a label map: the .pbtxt file that maps class ids to names.

    For the options of each command see `odtk label-map COMMAND --help`.
    """


@label_map.command(short_help="Find all problems of a label map.")
@click.argument("file", type=options.any_path)
@click.option("--data", type=options.any_path, metavar="TARGET",
              help="Also compare with the classes in a dataset's folder, in the output of make-tfrecords, or in a glob "
              "of records.")  # fmt: skip
@options.format_option
@options.json_option
@options.example("odtk label-map check label_map.pbtxt", "odtk label-map check label_map.pbtxt --data 'train-*.record'")
def check(file, data, format, as_json) -> None:
    """Find all problems of a label map; each is listed with its line and its fix.

    FILE is a label map or the name of a shipped one. The check finds ids that start at 0, repeated ids, several ids
    in one item, items without id or name, names with extra spaces, and names that differ only in case, spaces or
    dashes. With --data it also finds names that differ from the data's, likely misspellings, classes that only one of
    the two has, and ids that differ from the records'. Gaps between ids and repeated names are allowed, and noted.
    The exit code is 1 if there is an error.
    """
    from odtk.findings import summary
    from odtk.tools import label_map as tool

    report = tool.check(file, data, format)
    if as_json:
        options.print_json(tool.document(report))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        ids = f" with ids up to {report.greatest_id}" * (report.greatest_id > report.num_classes)
        classes = "1 class" if report.num_classes == 1 else f"{report.num_classes} classes"
        click.echo(f"{report.path}: {classes}{ids}, {summary(report.findings)}")
    if not report.is_valid:
        click.get_current_context().exit(1)


@label_map.command(short_help="Make a label map from data or a list of names.")
@click.argument("target", type=options.any_path, required=False)
@options.format_option
@click.option("--names", metavar="NAME,NAME", help="Class names, instead of TARGET.")
@click.option("--output", required=True, type=options.any_path, metavar="FILE", help="The .pbtxt file to write.")
@click.option("--order", type=click.Choice(["sorted", "data"]), default="sorted", show_default=True,
              help="Number the classes alphabetically, or in the order of the list or the data.")  # fmt: skip
@options.overwrite_option("the --output file")
@options.json_option
@options.example(
    "odtk label-map make petdata --output label_map.pbtxt",
    "odtk label-map make --names cat,dog --output label_map.pbtxt",
)
def make(target, format, names, output, order, overwrite, as_json) -> None:
    """Make a label map from the classes of TARGET, numbered from 1.

    TARGET is a dataset's folder, the output of make-tfrecords, a glob of records, or a .txt file with one name per
    line.
    """
    if (target is None) == (names is None):
        raise click.UsageError("Give either TARGET or --names.")
    import dataclasses

    from odtk.tools.label_map import make as run

    listed = [name.strip() for name in (names or "").split(",") if name.strip()]
    report = run(output, target, listed, order, overwrite, format)
    if as_json:
        options.print_json(dataclasses.asdict(report))
    else:
        click.echo(f"Wrote {report.path}: {len(report.names)} classes.")


@label_map.command(short_help="Print a label map as a table.")
@click.argument("target", type=options.any_path)
@options.format_option
@options.json_option
@options.example("odtk label-map show pet_label_map")
def show(target, format, as_json) -> None:
    """Print the classes of a label map: id, name and display name.

    TARGET is a label map, the name of a shipped one, or the output of make-tfrecords.
    """
    import dataclasses

    from odtk.tools.label_map import as_rows
    from odtk.tools.label_map import show as run

    labels = run(target, format)
    if as_json:
        options.print_json([dataclasses.asdict(item) for item in labels.items])
    else:
        options.print_table(f"{target}", ["id", "name", "display name"], list(map(list, as_rows(labels))))
