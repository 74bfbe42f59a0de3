"""`odtk demo`."""

import click

from odtk.cli.options import any_path, example, json_option, print_json


@click.command(short_help="Walk the whole journey on drawn pets.")
@click.argument("folder", type=any_path, default="odtk-demo", metavar="[DIR]")
@click.option("--num-images", type=click.IntRange(20), default=160, show_default=True, help="Pictures to draw.")
@click.option("--num-steps", type=click.IntRange(1), help="Training steps; the demo pipeline's 600 otherwise.")
@json_option
@example("odtk demo", "odtk demo somewhere --num-steps 100")
def demo(folder, num_images, num_steps, as_json) -> None:
    """Walk the whole journey on drawn pets: no download, no GPU, under 5 minutes on 2 cores.

    Draws a small dataset, then runs make-tfrecords, configure, train, evaluate, export and predict on it, and ends with
    the COCO metrics on held-out drawings and a picture of what was found. Everything goes to DIR (odtk-demo); an
    earlier demo there is replaced.
    """
    import dataclasses

    from odtk.tools.demo import demo as run

    report = run(folder, num_images, num_steps, log=lambda line: click.echo(line, err=True))
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    click.echo("\nThe journey took " + ", ".join(f"{name} {time} s" for name, time in report.seconds.items()) + ".")
    click.echo(f"Records, config, checkpoints and the SavedModel are in {report.folder}.")
    click.echo(f"Predictions on held-out drawings: {report.picture}")
    for name in ("mAP", "mAP@.50IOU"):
        click.echo(f"{name}: {report.metrics[f'DetectionBoxes_Precision/{name}']:.3f}")
