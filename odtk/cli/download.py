"""`odtk download`."""

import click

from odtk.cli import options


class What(click.ParamType):
    """What is downloaded; Tab completes names."""

    name = "text"

    def shell_complete(self, ctx, param, incomplete):
        """`pets`, `list` and the names of the zoo."""
        from click.shell_completion import CompletionItem

        from odtk.tools.download.catalog import PETS, models

        return [CompletionItem(name) for name in (PETS, "list", *models()) if name.startswith(incomplete)]


@click.command(short_help="Download the Pet dataset, or a trained detector.")
@click.argument("what", type=What(), metavar="pets|MODEL|hf://USER/MODEL|list")
@click.option(
    "--dir",
    type=options.any_path,
    metavar="FOLDER",
    help="Folder to download to; a model gets a folder of its name in it.  [default: petdata for pets, else the "
    "current folder]",
)
@click.option(
    "--mirror",
    multiple=True,
    metavar="URL",
    help="Address of a folder that has the archives, tried before the known addresses. Repeatable; the variable "
    "ODTK_MIRROR names one, too.",
)
@click.option(
    "--from",
    "from_files",
    multiple=True,
    type=options.any_path,
    metavar="FILE",
    help="Unpack this archive, which is here already, instead of downloading it. For pets repeatable.",
)
@click.option("--keep-archive", is_flag=True, help="Keep the downloaded archive beside what was in it.")
@click.option("--overwrite", is_flag=True, help="Download again what is here already, and replace it.")
@options.json_option
@options.example(
    "odtk download list",
    "odtk download pets",
    "odtk download ssd_resnet50_v1_fpn_640x640_coco17_tpu-8",
    "odtk download efficientdet_d0 --dir zoo --mirror https://files.example.org/zoo",
    "odtk download pets --from Downloads/images.tar.gz --from Downloads/annotations.tar.gz",
    "odtk download hf://someone/pets-detector",
)
def download(what, dir, mirror, from_files, keep_archive, overwrite, as_json) -> None:
    """Download the Oxford-IIIT Pet dataset, or a detector that was trained on COCO.

    `pets` are both archives, 811 MB, unpacked as make-tfrecords reads them. MODEL is the name of a model in TFOD's
    TensorFlow 2 zoo, which `list` lists with its speed, its COCO mAP and whether odtk trains it, and says which
    addresses are asked (with --json those of each model); the end of a name from `_coco17` on may be left out.
    hf://USER/MODEL is a model of the Hugging Face Hub (needs odtk[hf]).

    A download that breaks off is continued by the same command. Each address is tried several times, then the next
    one; a known checksum is checked; what is unpacked appears complete or not at all. What is here already is left as
    it is, and an archive that is in the folder already is unpacked instead of a download. Proxies are taken from the
    usual variables (https_proxy).
    """
    import dataclasses

    from odtk.tools import download as tool

    if what == "list":
        _list(as_json)
        return
    report = tool.download(
        what, dir=dir, mirror=mirror, from_files=from_files, keep_archive=keep_archive, overwrite=overwrite,
        log=options.log,
    )  # fmt: skip
    if as_json:
        options.print_json(dataclasses.asdict(report))
        return
    for part in report.parts:
        click.echo(_sentence(part))
    if report.checkpoint:
        click.echo(f"Checkpoint: {report.checkpoint}")
    click.echo(f"Next: {report.next_command}")


def _sentence(part) -> str:
    from odtk.system_errors import in_bytes

    if part.was_here:
        return f"{part.folder}: was here already."
    origin = f"from {part.address}" if part.address else "from a file that was here"
    checked = ", checksum verified" if part.is_verified else ""
    return f"{part.folder}: {part.archive} ({in_bytes(part.size)}) {origin}{checked}."


def _list(as_json: bool) -> None:
    from odtk.system_errors import in_bytes
    from odtk.tools.download import catalog, pipelines_by_model

    models, pipelines = list(catalog.models().values()), pipelines_by_model()
    if as_json:
        options.print_json([_as_json(each, pipelines.get(each.name, [])) for each in models])
        return
    rows: list[list] = []
    for each in models:
        made_for = ", ".join(pipelines.get(each.name, []))
        speed = "" if each.milliseconds is None else each.milliseconds
        trained = "yes" if each.trainable else "no"
        rows.append([each.name, each.coco_map or "", speed, each.outputs, trained, each.date, made_for])
    columns = ["MODEL", "COCO mAP", "ms", "outputs", "odtk trains it", "DATE", "shipped pipeline"]
    options.print_table("TFOD's TensorFlow 2 model zoo, trained on COCO 2017", columns, rows, least_width=170)
    click.echo(
        "\nmAP and ms as TFOD's page of the zoo states them; it states neither sizes nor checksums. In turn from:"
    )
    for address in catalog.zoo_addresses():
        click.echo(f"  {address}")
    click.echo(f"\n`odtk download {catalog.PETS}`, the Oxford-IIIT Pet dataset, in turn from:")
    for archive in catalog.pets():
        click.echo(f"  {archive.archive} ({in_bytes(archive.size or 0)}, SHA-256 {archive.sha256})")
        for address in archive.addresses:
            click.echo(f"    {address}")
    click.echo("\n`--mirror URL` names another server, `--from FILE` an archive that is here.")
    click.echo("Next: odtk download MODEL")


def _as_json(model, pipelines: list[str]) -> dict:
    archive = model.archive
    return {
        "name": model.name, "title": model.title, "coco_map": model.coco_map, "milliseconds": model.milliseconds,
        "outputs": model.outputs, "trainable": model.trainable, "pipelines": pipelines,
        "addresses": list(archive.addresses), "sha256": archive.sha256, "size": archive.size,
    }  # fmt: skip
