"""`odtk push`."""

import click

from odtk.cli import options


@click.command(short_help="Upload an exported detector to the Hugging Face Hub.")
@click.argument("folder", type=options.any_path)
@click.argument("place", metavar="hf://USER/MODEL")
@click.option(
    "--run",
    type=options.any_path,
    metavar="MODEL_DIR",
    help="The model dir that FOLDER was exported from: the card gets its metrics, data and newest picture.",
)
@click.option("--license", metavar="ID", help="License of the model, by the Hub's name of it, such as apache-2.0.")
@click.option("--picture", type=options.any_path, metavar="FILE", help="Picture of the card instead of the run's.")
@click.option("--private", is_flag=True, help="Make a new repository that only you can see.")
@click.option(
    "--message",
    default="A detector, exported by odtk",
    show_default=True,
    metavar="TEXT",
    help="Message of the commit.",
)
@click.option("--dry-run", is_flag=True, help="Upload nothing: print the card, and the files that would be uploaded.")
@options.json_option
@options.example(
    "odtk push exported hf://me/pets-detector --run models/pets --license apache-2.0 --dry-run",
    "odtk push exported hf://me/pets-detector --run models/pets --license apache-2.0",
)
def push(folder, place, run, license, picture, private, message, dry_run, as_json) -> None:
    """Upload a folder of `odtk export` to the Hugging Face Hub, with a model card.

    The repository is made if it is not there; all files are one commit. The card, a README.md, has the metrics of
    `odtk evaluate`, those of each class, the data, the classes, the license and a picture; a README.md in FOLDER is
    taken as it is. The card names neither this machine nor its folders; pipeline.config and certificate.json, which
    do, are uploaded as they are. `odtk download hf://USER/MODEL` gets the folder back.

    Log in first, by `hf auth login` or the variable HF_TOKEN. Needs odtk[hf]; the variable HF_ENDPOINT names another
    Hub.
    """
    import dataclasses

    from odtk.tools.push import push as tool

    report = tool(
        folder, place, run=run, license=license, picture=picture, private=private, message=message, dry_run=dry_run,
        log=options.log,
    )  # fmt: skip
    if as_json:
        options.print_json(dataclasses.asdict(report))
        return
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if report.address is None:
        click.echo(report.card)
        click.echo("Files:\n" + "\n".join(f"  {name}" for name in report.files))
        return
    click.echo(f"Uploaded {len(report.files)} files: {report.address}")
    click.echo(f"Next: odtk download {report.place}")
