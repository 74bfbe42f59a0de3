"""What `odtk run --init` prints."""

import click

from odtk.cli import options


def init(folder: str, output: str | None, overwrite: bool, as_json: bool) -> None:
    """Writes a project file for the images in `folder`, and prints what was found and chosen."""
    import dataclasses

    from odtk.tools.init_project import init_project

    report = init_project(folder, output, overwrite)
    if as_json:
        options.print_json({**dataclasses.asdict(report), "next": report.next_command})
        return
    click.echo(f"Data: {report.found}\nMachine: {report.machine}.\n")
    for key, value in report.chosen.items():
        click.echo(f"{key}: {value}\n    {report.why[key]}")
    time = report.time and f"{report.time}, as a rough estimate that was not measured here"
    click.echo(f"\nTraining will take {time or 'a time that is not known for this device'}.")
    for note in report.notes:
        options.warn(note)
    click.echo(f"Wrote {report.output}, whose comments explain all that can be changed.\nNext: {report.next_command}")
