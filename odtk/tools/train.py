"""`odtk train`: a pipeline.config to checkpoints, scalars and a resolved config in a model dir."""

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from odtk import pipeline
from odtk.errors import ConfigError, DataError, OdtkError
from odtk.progress import track
from odtk.tools.check_config import WARNING, require_sound

DEFAULT_CHECKPOINT_EVERY = 1000
DEFAULT_LOG_EVERY = 10


@dataclass
class TrainingReport:
    """Where a run ended."""

    model_dir: str
    checkpoint: str
    first_step: int
    last_step: int
    losses: dict[str, float]
    devices: list[str]


def train(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    num_steps: int | None = None,
    checkpoint_every: int = DEFAULT_CHECKPOINT_EVERY,
    log_every: int = DEFAULT_LOG_EVERY,
    seed: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TrainingReport:
    """Trains until `num_steps` (the config's where None) and returns where that ended.

    A `model_dir` that holds a checkpoint is resumed. `say` hears what a user should know, a line at a time. Raises
    ConfigError, DataError or CheckpointError before the first step.
    """
    config = pipeline.read(pipeline_config)
    overridden = ("train_config.num_steps",) if num_steps is not None else ()
    for finding in require_sound(config, pipeline_config, overridden=overridden):
        # What is merely worth knowing is for `odtk configure --check`.
        if finding.severity == WARNING:
            say(str(finding))
    steps = num_steps if num_steps is not None else config.train_config.num_steps
    if steps < 1:
        raise ConfigError(
            f"{pipeline_config} has train_config.num_steps 0, so training would never end. Set it: "
            f"odtk configure {pipeline_config} --output {pipeline_config} --num-steps 25000"
        )
    import tensorflow as tf
    import tf_keras

    from odtk.training.experiment import build_experiment
    from odtk.training.task import DetectionTask

    devices = _use_gpus(tf, say)
    if seed is not None:
        tf_keras.utils.set_random_seed(seed)
    _save_config(config, Path(model_dir))
    task = DetectionTask(config, seed, on_restore=lambda report: say(describe_restore(report)))
    live = LiveLine()
    with _orbit_off_stdout():
        experiment = build_experiment(task, model_dir, checkpoint_every, log_every, [live])
    first = int(experiment.trainer.global_step)
    if experiment.resumed_from:
        say(f"Resuming from {experiment.resumed_from}, step {first}.")
    with track("Training", steps, "steps", completed=first, compiles=True) as progress, _orbit_off_stdout():
        live.attach(progress, experiment.trainer.global_step)
        _run(experiment, steps, config, say)
    last = int(experiment.trainer.global_step)
    return TrainingReport(str(model_dir), experiment.manager.latest_checkpoint, first, last, live.losses, devices)


def _run(experiment, steps: int, config, say: Callable[[str], None]) -> None:
    """The training loop, with what can stop it half-way put in words."""
    import tensorflow as tf

    from odtk.inputs.build import build_fault_finder
    from odtk.inputs.faults import naming_the_record

    try:
        with naming_the_record(build_fault_finder(config.train_input_reader, config.model.ssd.num_classes)):
            experiment.controller.train(steps)
    except KeyboardInterrupt:
        path = experiment.manager.save(checkpoint_number=experiment.trainer.global_step)
        say(f"Interrupted; saved {path}. The same command goes on from there.")
        raise
    except tf.errors.OutOfRangeError as error:
        raise DataError(
            f"The training data ended at step {int(experiment.trainer.global_step)} of {steps}: "
            f"train_input_reader.num_epochs is {config.train_input_reader.num_epochs}. Remove it to read the records "
            "again and again, or ask for fewer steps with --num-steps."
        ) from error
    except tf.errors.ResourceExhaustedError as error:
        raise OdtkError(
            f"Out of memory with batch_size {config.train_config.batch_size}. Make it smaller, and the learning rate "
            "with it: odtk configure CONFIG --output CONFIG --batch-size N"
        ) from error


class LiveLine:
    """An Orbit action that keeps the progress line and the last losses."""

    losses: dict[str, float]

    def __init__(self):
        self.losses = {}

    def attach(self, progress, global_step) -> None:
        """Where to report to, once training begins."""
        self.progress, self.global_step = progress, global_step

    def __call__(self, output: dict) -> None:
        """Called by Orbit after each block of steps."""
        self.losses = {tag: float(value) for tag, value in output.items()}
        short = {"total": "loss", "classification": "cls", "localization": "loc", "regularization": "reg"}
        parts = [f"{word} {self.losses[f'Loss/{name}_loss']:.3g}" for name, word in short.items()]
        parts.append(f"lr {self.losses['learning_rate']:.3g}")
        self.progress.update(int(self.global_step), ", ".join(parts))


def describe_restore(report) -> str:
    """What a fine-tuning checkpoint gave, as a few lines: restored, skipped and why, unused."""
    lines = [f"Fine-tuning from {report.prefix}:"]
    lines.append(f"  restored  {len(report.restored):4d} variables: {_groups(report.restored)}")
    for reason in sorted(set(report.skipped.values())):
        keys = [key for key, why in report.skipped.items() if why == reason]
        lines.append(f"  initial   {len(keys):4d} variables: {_groups(keys)} ({reason})")
    if report.unused:
        lines.append(f"  not used  {len(report.unused):4d} variables of the checkpoint: {_groups(report.unused)}")
    return "\n".join(lines)


def _groups(keys: list[str]) -> str:
    counts: dict[str, int] = {}
    for key in keys:
        group = "/".join(key.split("/")[1:3])
        counts[group] = counts.get(group, 0) + 1
    return ", ".join(f"{group} {count}" for group, count in counts.items())


def _save_config(config, model_dir: Path) -> None:
    pipeline.write(config, model_dir / "pipeline.config")
    label_map = config.train_input_reader.label_map_path
    if label_map:
        shutil.copyfile(label_map, model_dir / "label_map.pbtxt")


def _use_gpus(tf, say: Callable[[str], None]) -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Fails where TensorFlow already runs, as in a notebook; then the setting is the notebook's.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        say("No GPU is seen: training runs on the CPU, which takes seconds per step at 640x640.")
    return [gpu.name for gpu in gpus] or ["CPU"]


@contextlib.contextmanager
def _orbit_off_stdout():
    """Orbit prints to stdout, which belongs to results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
