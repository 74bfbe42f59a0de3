"""`odtk migrate`."""

import click

from odtk.cli import options


@click.command(short_help="Go on with what TFOD left behind.")
@click.argument("old_dir", type=options.any_path, metavar="OLD_TFOD_DIR")
@click.argument("output", type=options.any_path, metavar="OUT")
@click.option(
    "--config",
    type=options.any_path,
    metavar="FILE",
    help="The pipeline.config of the run.  [default: the one beside the checkpoints, or the only one]",
)
@click.option(
    "--checkpoint",
    type=options.any_path,
    metavar="PREFIX|MODEL_DIR",
    help="The checkpoint, or the model dir whose newest one counts.  [default: the only model dir's]",
)
@click.option(
    "--evaluate/--no-evaluate",
    default=True,
    show_default=True,
    help="Whether to score the checkpoint on the evaluation records, if they are here.",
)
@click.option("--devices", default="auto", show_default=True, metavar=options.DEVICES, help="What the scoring runs on.")
@options.overwrite_option("OUT", is_folder=True)
@options.json_option
@click.pass_context
@options.example(
    "odtk migrate workspace/training_demo migrated --checkpoint workspace/training_demo/models/my_ssd",
    "odtk migrate models/my_ssd migrated --config models/my_ssd/pipeline.config --no-evaluate",
    "odtk train migrated/pipeline.config migrated/model",
)
def migrate(ctx, old_dir, output, config, checkpoint, evaluate, devices, overwrite, as_json) -> None:
    """Go on under odtk with what the TensorFlow Object Detection API left behind.

    OLD_TFOD_DIR is a model dir, an exported model, or the folder around configs, records and model dirs; it is not
    changed. OUT gets pipeline.config with the paths of this machine, label_map.pbtxt, and in model/ the newest
    checkpoint, from which training goes on with its optimizer's state.

    The report says option by option what odtk keeps, what has no effect (as in TFOD 2) and what it refuses, which of
    the model's and the checkpoint's variables fit each other, and what the checkpoint scores, beside what TFOD logged
    for the same step. It is printed, and in OUT/migration.txt and OUT/migration.json. The exit code is 1 if something
    has to be changed before training can go on. docs/migrating.md has TFOD's scripts and flags beside odtk's.
    """
    from odtk.tools.migrate import migrate as tool
    from odtk.tools.migrate.report import document, in_words

    report = tool(
        old_dir, output, config=config, checkpoint=checkpoint, evaluate=evaluate, devices=devices,
        overwrite=overwrite, log=options.log,
    )  # fmt: skip
    if as_json:
        options.print_json(document(report))
    else:
        click.echo(in_words(report))
    ctx.exit(int(not report.fits))
