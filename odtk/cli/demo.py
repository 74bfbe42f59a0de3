"""`odtk demo`."""

import click

from odtk.cli.next_steps import print_next_steps
from odtk.cli.options import any_path, example, json_option, print_json
from odtk.cli.training_end import print_end


@click.command(short_help="Run all steps on synthetic images of pets.")
@click.argument("folder", type=any_path, default="odtk-demo", metavar="[DIR]")
@click.option("--num-images", type=click.IntRange(20), default=160, show_default=True, help="Number of images to make.")
@click.option("--num-steps", type=click.IntRange(1), help="Training steps.  [default: the demo pipeline's 600]")
@json_option
@example("odtk demo", "odtk demo somewhere --num-steps 100")
def demo(folder, num_images, num_steps, as_json) -> None:
    """Run all steps on synthetic images of pets: no download, no GPU, under 5 minutes on 2 cores.

    Makes a small synthetic dataset, runs make-tfrecords, configure, train, evaluate, export and predict on it, and ends
    with the COCO metrics on held-out images, a picture of the detections, the three things that would improve the
    detector, the page that shows where it is wrong, and how the exported model answers compared with its checkpoint.
    Everything is written to DIR (default: odtk-demo); an earlier demo there is replaced. The demo is a run of
    DIR/project.yaml: after a change of that file, `odtk run DIR/project.yaml` does what is left to do.
    """
    import dataclasses

    from odtk.tools.demo import demo as run

    report = run(folder, num_images, num_steps, log=lambda line: click.echo(line, err=True))
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    click.echo()
    print_end(report.training)
    click.echo("\nTime: " + ", ".join(f"{name} {time} s" for name, time in report.seconds.items()) + ".")
    click.echo(f"Records, config, checkpoints and the SavedModel are in {report.folder}.")
    click.echo(f"Predictions on held-out images: {report.picture}")
    for name in ("mAP", "mAP@.50IOU"):
        click.echo(f"{name}: {report.metrics[f'DetectionBoxes_Precision/{name}']:.3f}")
    print_next_steps(report.findings)
    click.echo(f"\nWhere the detector is wrong: {report.page}")
    for line in report.certificate.lines() if report.certificate else ():
        click.echo(line)
