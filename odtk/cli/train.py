"""`odtk train`."""

import click

from odtk.cli.options import any_path, example, json_option, log, max_bad_records_option, print_json


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
@click.option("--log-every", type=click.IntRange(1), default=10, show_default=True, metavar="STEPS",
              help="Write TensorBoard scalars every STEPS steps.")  # fmt: skip
@click.option("--seed", type=int, help="Random seed: makes a run repeatable on the same machine.")
@click.option("--reuse-head-weights", is_flag=True,
              help="When fine-tuning with the type 'detection', also restore the checkpoint's box tower, box head and "
              "class tower where the shapes match; this helps small datasets. The class predictor always starts from "
              "scratch.")  # fmt: skip
@max_bad_records_option
@json_option
@example("odtk train pets.config models/pets", "tensorboard --logdir models/pets")
def train(
    pipeline_config,
    model_dir,
    num_steps,
    extend_schedule,
    checkpoint_every,
    log_every,
    seed,
    reuse_head_weights,
    max_bad_records,
    as_json,
) -> None:
    """Train the detector that PIPELINE_CONFIG describes; checkpoints and logs go to MODEL_DIR.

    PIPELINE_CONFIG is a file or the name of a shipped pipeline. It is checked first, as by `odtk configure CONFIG
    --check`. If MODEL_DIR already has a checkpoint, training resumes from it.
    """
    import dataclasses
    import shlex

    from odtk.tools.train import train as run

    report = run(
        pipeline_config, model_dir, num_steps=num_steps, extend_schedule=extend_schedule,
        checkpoint_every=checkpoint_every, log_every=log_every, seed=seed, reuse_head_weights=reuse_head_weights,
        max_bad_records=max_bad_records, log=log,
    )  # fmt: skip
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    if report.losses:
        click.echo(f"Trained to step {report.last_step}: Loss/total_loss {report.losses['Loss/total_loss']:.4g}.")
    else:
        click.echo(
            f"Nothing to do: {report.model_dir} is already at step {report.last_step}. To train longer, with the "
            f"learning rate schedule stretched: {shlex.join(['odtk', 'train', pipeline_config, model_dir])} "
            f"--num-steps {2 * report.last_step} --extend-schedule"
        )
    click.echo(f"Checkpoint: {report.checkpoint}")
    click.echo("Next: " + shlex.join(["odtk", "evaluate", pipeline_config, model_dir]))
