"""`odtk export`."""

import click

from odtk.cli.options import any_path, checkpoint_option, example, json_option, log, overwrite_option, print_json, warn
from odtk.exporting.formats import DEFAULT, QUANTIZATIONS, formats_in_words
from odtk.exporting.signatures import INPUT_TYPES, input_types_in_words
from odtk.terminal_text import on_one_line


@click.command(short_help="Export a trained detector, and compare what was exported with it.")
@click.argument("pipeline_config", type=any_path)
@click.argument("model_dir", type=any_path)
@click.argument("output_dir", type=any_path)
@click.option("--format", default=DEFAULT, show_default=True, metavar="FORMAT,...",
              help=f"What to write: {formats_in_words()}.")  # fmt: skip
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
              "float32; the certificate says how far detections are from float32's.")  # fmt: skip
@click.option("--quantize", type=click.Choice(QUANTIZATIONS), default=QUANTIZATIONS[0], show_default=True,
              help="Make the TFLite file smaller: weights in float16 (half), weights in int8 (dynamic, a quarter), or "
              "weights and activations in int8 (a quarter, and fast on integer hardware).")  # fmt: skip
@click.option("--calibration", type=click.IntRange(min=1), default=200, show_default=True, metavar="N",
              help="Images of the config's training records by which int8 gets the ranges of its numbers.")  # fmt: skip
@click.option("--uint8-input", is_flag=True,
              help="Have an int8 file take pixels as they are, uint8, instead of normalized floats.")  # fmt: skip
@click.option("--verify", type=click.IntRange(min=0), default=16, show_default=True, metavar="N",
              help="Run each exported model on so many images of the evaluation records, or drawn ones, and compare it "
              "with the checkpoint; 0: do not.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(0, 1), metavar="X",
              help="Accept differences of up to X: of boxes (as a part of the image), of scores, in the part of the "
              "objects that only one of the two finds, and of mAP (0.01: a point).  [default: by format; 0.001 in "
              "float32, where each must find every object of the other]")  # fmt: skip
@overwrite_option("OUTPUT_DIR", is_folder=True)
@json_option
@example("odtk export pets.config models/pets exported", "odtk predict exported photo.jpg --output drawn")
def export(
    pipeline_config, model_dir, output_dir, format, checkpoint, input_type, winograd, precision, verify, tolerance,
    quantize, calibration, uint8_input, overwrite, as_json,
) -> None:  # fmt: skip
    """Export a trained detector, in the layout of TFOD's model zoo, and compare what was exported with it.

    MODEL_DIR is the one that `odtk train` wrote, or a checkpoint prefix of odtk or TFOD, or an exported folder; the
    first line printed says which checkpoint is exported. OUTPUT_DIR gets saved_model/ (or what --format names),
    checkpoint/, pipeline.config and label_map.pbtxt; the label map is the one next to the checkpoint, which the
    detector was trained with, or else the config's.

    Each exported model is run, and must find what its checkpoint finds: the same objects, with boxes and scores within
    the tolerance. What was compared is printed, and written to certificate.json and into the models. If one answers
    otherwise, nothing is written, and the exit code is 1.
    """
    import dataclasses
    import shlex

    from odtk.tools.export import export as run

    report = run(
        pipeline_config, model_dir, output_dir, format=format, checkpoint=checkpoint, input_type=input_type,
        winograd=winograd, precision=precision, quantize=quantize, calibration=calibration, uint8_input=uint8_input,
        verify=verify, tolerance=tolerance, overwrite=overwrite, log=log,
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
    if report.certificate:
        click.echo("\n".join(report.certificate.lines()))
        if report.certificate.note:
            warn(f"the export is compared on drawn images, as {on_one_line(report.certificate.note)}")
    for note in report.notes():
        click.echo(f"note: {note}", err=True)
    if report.label_map_note:
        warn(report.label_map_note)
    if report.label_map is None:
        warn("no label map was found, so predictions will show class numbers instead of names.")
    click.echo("Next: " + shlex.join(["odtk", "predict", report.output_dir, "IMAGE", "--output", "FOLDER"]))
