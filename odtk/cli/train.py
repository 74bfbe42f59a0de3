"""`odtk train`."""

import click

from odtk.cli.command_context import typed_command
from odtk.cli.options import (
    DEVICES,
    any_path,
    example,
    json_option,
    log,
    max_bad_records_option,
    precision_option,
    print_json,
    tpu_option,
)
from odtk.cli.training_end import print_end
from odtk.durations import seconds_of
from odtk.errors import OdtkError


class _WholeOrAuto(click.ParamType):
    name = "N|auto"

    def convert(self, value, param, ctx):
        return value if value == "auto" else click.IntRange(1).convert(value, param, ctx)


class _Time(click.ParamType):
    name = "TIME"

    def convert(self, value, param, ctx):
        try:
            seconds_of(value, "max_time")
        except OdtkError as error:
            self.fail(str(error), param, ctx)
        return value


WHOLE_OR_AUTO = _WholeOrAuto()


@click.command(short_help="Train the detector that a pipeline.config describes.")
@click.argument("pipeline_config", type=any_path)
@click.argument("model_dir", type=any_path)
@click.option(
    "--num-steps",
    type=click.IntRange(1),
    help="Stop at this step. The learning rate schedule does not change unless --extend-schedule is given.",
)
@click.option("--extend-schedule", is_flag=True,
              help="For this run only, stretch a learning rate schedule that ends before the last step, as `odtk "
              "configure --num-steps` does in the config.")  # fmt: skip
@click.option("--checkpoint-every", type=click.IntRange(1), default=1000, show_default=True, metavar="STEPS",
              help="Save a checkpoint every STEPS steps, and at the end.")  # fmt: skip
@click.option("--keep", type=click.IntRange(1), default=7, show_default=True, metavar="N",
              help="Keep the last N checkpoints; the best one is kept apart from them.")  # fmt: skip
@click.option("--log-every", type=click.IntRange(1), default=10, show_default=True, metavar="STEPS",
              help="Write a row of metrics.csv and TensorBoard scalars every STEPS steps.")  # fmt: skip
@click.option("--eval-every", type=click.IntRange(0), metavar="STEPS",
              help="Evaluate every STEPS steps and at the end; 0: never.  [default: at each checkpoint, at least "
              "ten times in a run, and for at most a fifth of the time]")  # fmt: skip
@click.option("--eval-images", type=click.IntRange(1), metavar="N",
              help="Evaluate on a fixed sample of N images.  [default: all]")  # fmt: skip
@click.option("--best-metric", default="mAP", show_default=True, metavar="NAME",
              help="The metric by which the best weights are kept, by its name or its end: mAP, mAP@.50IOU, "
              "Loss/total_loss, AP/CLASS.")  # fmt: skip
@click.option("--patience", type=click.IntRange(1), metavar="N",
              help="Stop after N evaluations in a row without a better one.  [default: train to the end]")  # fmt: skip
@click.option("--min-delta", type=click.FloatRange(0), default=0.0, show_default=True, metavar="X",
              help="For --patience: what a metric must be better by to count as better.")  # fmt: skip
@click.option("--max-time", type=_Time(), metavar="TIME",
              help="Stop in time to have saved and, if possible, evaluated after TIME, such as 11h30m or "
              "45m.")  # fmt: skip
@click.option("--on-nan", type=click.Choice(["stop", "lower-rate"]), default="stop", show_default=True,
              help="If the loss becomes NaN or infinite: stop, or go on from the last good checkpoint with half the "
              "learning rate, at most three times.")  # fmt: skip
@click.option("--seed", type=int, help="Random seed: makes a run repeatable on the same machine.  [default: drawn]")
@click.option("--deterministic", is_flag=True,
              help="Use only deterministic operations: two runs with one seed give the same weights, "
              "bit for bit, at some cost of speed.")  # fmt: skip
@click.option("--repeat", is_flag=True,
              help="The two arguments are MODEL_DIR OTHER_DIR: start the run of MODEL_DIR, as its run.json says, again "
              "in OTHER_DIR.")  # fmt: skip
@click.option("--log-to", type=click.Choice(["wandb", "mlflow"]), multiple=True,
              help="Also send metrics and pictures to Weights & Biases or MLflow; may be repeated. Needs "
              "odtk[wandb] or odtk[mlflow].")  # fmt: skip
@click.option("--reuse-head-weights", is_flag=True,
              help="When fine-tuning with the type 'detection', also restore the checkpoint's box tower, box head and "
              "class tower where the shapes match; this helps small datasets. The class predictor always starts from "
              "scratch.")  # fmt: skip
@max_bad_records_option
@click.option("--batch-size", type=WHOLE_OR_AUTO, metavar="N|auto",
              help="Images per step on all devices together, with the learning rate scaled in proportion; auto: the "
              "largest batch that fits.  [default: the config's]")  # fmt: skip
@click.option("--accumulate", type=WHOLE_OR_AUTO, default=1, show_default=True, metavar="N|auto",
              help="Compute each step in N micro-batches, whose gradients add up; auto: as few as fit into the "
              "memory.")  # fmt: skip
@precision_option("auto")
@click.option("--xla", is_flag=True, help="Compile the training step with XLA, on one device, for images of one "
              "size.")  # fmt: skip
@click.option("--devices", default="auto", show_default=True, metavar=DEVICES,
              help="What to train on; several GPUs share each batch. auto: all GPUs, or as many as can share it "
              "evenly, else the CPU; all: all GPUs, or an error.")  # fmt: skip
@tpu_option("Train")
@click.option("--workers", metavar="HOST:PORT,...",
              help="Train on several machines, with these addresses.  [default: as TF_CONFIG says]")  # fmt: skip
@click.option("--worker-index", type=click.IntRange(0), metavar="N", help="Which of --workers this machine is, from 0.")
@click.option("--freeze", type=click.Choice(["backbone", "bn", "none"]),
              help="Weights that are not trained: the backbone's, or the batch norms'.  [default: as the config "
              "says]")  # fmt: skip
@click.option("--profile", metavar="FIRST:LAST", help="Write TensorBoard's profile of these steps, such as 10:20.")
@click.option("--cache", metavar="memory|disk[:FOLDER]",
              help="Decode each training image once, before the first step, and keep it: in memory, or in a file "
              "beside the records (or in FOLDER) that later runs use again. For GPUs that wait for data.")  # fmt: skip
@json_option
@click.pass_context
@example("odtk train pets.config models/pets", "tensorboard --logdir models/pets")
def train(ctx, pipeline_config, model_dir, as_json, **options) -> None:
    """Train the detector that PIPELINE_CONFIG describes; checkpoints and logs go to MODEL_DIR.

    PIPELINE_CONFIG is a file or the name of a shipped pipeline. It is checked first, as by `odtk configure CONFIG
    --check`. If MODEL_DIR already has a checkpoint, training resumes from it.

    The first Ctrl-C or SIGTERM ends training after the present step, with a checkpoint; a second one ends it at once,
    with a checkpoint too; a third one without. The exit code is then 130, after SIGTERM 143. A terminal that is closed
    ends it like a first signal; with nohup or in tmux it goes on.
    """
    import dataclasses
    import shlex

    from odtk.cli.stop_signals import stop_signals
    from odtk.tools.train import train as run

    with stop_signals(log) as signals:
        report = run(pipeline_config, model_dir, log=log, should_stop=signals.should_stop, **options)
    if as_json:
        print_json(dataclasses.asdict(report))
        ctx.exit(signals.exit_code(report.reason))
    if report.worker:
        click.echo(
            f"Worker {report.worker} ended at step {report.last_step:,}: {report.reason}. The chief has the rest."
        )
    elif report.summary:
        print_end(report)
    else:
        click.echo(
            f"Nothing to do: {report.model_dir} is already at step {report.last_step}. To train longer, with the "
            f"learning rate schedule stretched: {shlex.join(['odtk', 'train', report.pipeline_config, model_dir])} "
            f"--num-steps {2 * report.last_step} --extend-schedule"
        )
        click.echo(f"Checkpoint: {report.checkpoint}")
        click.echo("Next: " + shlex.join(["odtk", "evaluate", report.pipeline_config, model_dir]))
    if report.is_early:
        click.echo(f"Ended early: {report.reason}. To go on: {typed_command(ctx)}")
    ctx.exit(signals.exit_code(report.reason))
