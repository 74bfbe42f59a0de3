"""`odtk export`."""

import click

from odtk.cli.options import any_path, checkpoint_option, example, json_option, log, overwrite_option, print_json, warn
from odtk.exporting.signatures import INPUT_TYPES, input_types_in_words


@click.command(short_help="Export a trained detector as a SavedModel.")
@click.argument("pipeline_config", type=any_path)
@click.argument("model_dir", type=any_path)
@click.argument("output_dir", type=any_path)
@checkpoint_option
@click.option("--input-type", type=click.Choice(list(INPUT_TYPES)), default="image_tensor", show_default=True,
              metavar="TYPE", help=f"Input of the exported model: {input_types_in_words()}.")  # fmt: skip
@click.option("--winograd", is_flag=True,
              help="Make the model faster on CPUs by computing the 3x3 convolutions of pyramid and heads with "
              "Winograd's method. Detections are the same except for rounding; the SavedModel is larger. Not for "
              "GPUs.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "float16", "bfloat16"]), default="float32",
              show_default=True,
              help="What the network computes in; float16 and bfloat16 are for GPUs. Inputs, outputs and weights stay "
              "float32; how far detections are from float32's is printed.")  # fmt: skip
@overwrite_option("OUTPUT_DIR", is_folder=True)
@json_option
@example("odtk export pets.config models/pets exported", "odtk predict exported photo.jpg --output drawn")
def export(
    pipeline_config, model_dir, output_dir, checkpoint, input_type, winograd, precision, overwrite, as_json
) -> None:
    """Export a trained detector as a SavedModel, in the layout of TFOD's model zoo.

    MODEL_DIR is the one that `odtk train` wrote, or a checkpoint prefix of odtk or TFOD, or an exported folder; the
    first line printed says which checkpoint is exported. OUTPUT_DIR gets saved_model/, checkpoint/, pipeline.config and
    label_map.pbtxt; the label map is the one next to the checkpoint, which the detector was trained with, or else the
    config's.
    """
    import dataclasses
    import shlex

    from odtk.tools.export import export as run

    report = run(
        pipeline_config, model_dir, output_dir, checkpoint=checkpoint, input_type=input_type, winograd=winograd,
        precision=precision, overwrite=overwrite, log=log,
    )  # fmt: skip
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    step = "" if report.step is None else f" (step {report.step})"
    click.echo(f"Exported {report.checkpoint}{step} to {report.output_dir}, input type {report.input_type}:")
    click.echo("\n".join(f"  {name}" for name in report.files))
    if winograd:
        count = report.winograd_convolutions
        click.echo(f"note: {count or 'none'} of its convolutions are computed with Winograd's method.", err=True)
    if report.agreement:
        click.echo(f"Agreement: {report.agreement.in_words(report.precision)}")
    if report.label_map_note:
        warn(report.label_map_note)
    if report.label_map is None:
        warn("no label map was found, so predictions will show class numbers instead of names.")
    click.echo("Next: " + shlex.join(["odtk", "predict", report.output_dir, "IMAGE", "--output", "FOLDER"]))
