"""`odtk train`: a pipeline.config to checkpoints, scalars and a resolved config in a model dir."""

import contextlib
import functools
import io
import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from odtk import label_map, pipeline, prototext
from odtk.atomic import growing_folder, write_text
from odtk.detectors.ssd.validation import image_sides
from odtk.errors import ConfigError, DataError, LabelMapError, OdtkError
from odtk.progress import track
from odtk.system_errors import as_os_error
from odtk.tools import schedule_edits, trained_classes
from odtk.tools.check_config import ERROR, WARNING, check_config, fixing_command, require_sound

DEFAULT_CHECKPOINT_EVERY = 1000
DEFAULT_LOG_EVERY = 10
DEFAULT_MAX_BAD_RECORDS = 100

NO_GPU = "No GPU is seen: training runs on the CPU."
_SMALL_SIDE = 400  # pixels; larger images take a CPU seconds a step
NO_GPU_FOR_LARGE_IMAGES = (
    f"{NO_GPU[:-1]}, which takes seconds per step at 640x640; of the pipelines "
    "ssd_resnet50_v1_fpn_small is the one made for it (`odtk configure --list`). On Colab choose a GPU runtime; "
    'elsewhere install the driver and `pip install "odtk[gpu]"`. `odtk --debug train ...` shows TensorFlow\'s reason.'
)


@dataclass
class TrainingReport:
    """Where a run ended, and what it left out."""

    model_dir: str
    checkpoint: str
    first_step: int
    last_step: int
    losses: dict[str, float]
    devices: list[str]
    bad_records: list = field(default_factory=list)  # odtk.inputs.bad_records.BadRecord
    bad_boxes: list = field(default_factory=list)  # odtk.records.box_errors.ImageWithBadBoxes


def _alone_in_model_dir(run: Callable) -> Callable:
    """Before anything else: two runs in one folder would take each other's checkpoints away."""

    @functools.wraps(run)
    def train(pipeline_config, model_dir, *args, **settings):
        with growing_folder(model_dir, "Its checkpoints are untouched; the same command goes on from the newest."):
            return run(pipeline_config, model_dir, *args, **settings)

    return train


def _without_gpu(config) -> str:
    """What to say where no GPU is: to who has chosen small images for that reason, no advice."""
    sides = image_sides(config.model.ssd).values()
    return NO_GPU if sides and max(sides) <= _SMALL_SIDE else NO_GPU_FOR_LARGE_IMAGES


@_alone_in_model_dir
def train(
    pipeline_config: str | os.PathLike,
    model_dir: str | os.PathLike,
    *,
    num_steps: int | None = None,
    checkpoint_every: int = DEFAULT_CHECKPOINT_EVERY,
    log_every: int = DEFAULT_LOG_EVERY,
    seed: int | None = None,
    reuse_head_weights: bool = False,
    max_bad_records: int = DEFAULT_MAX_BAD_RECORDS,
    log: Callable[[str], None] = lambda line: None,
    extend_schedule: bool = False,
) -> TrainingReport:
    """Trains until `num_steps` (the config's where None) and returns where that ended.

    A `model_dir` that holds a checkpoint is resumed. `reuse_head_weights` takes what does not depend on the classes
    from the heads of fine_tune_checkpoint too, where it fits. Up to `max_bad_records` records that cannot be used are
    left out; with 0, the first one ends the training. Boxes that cannot be used are left out of their images, any
    number of them. `extend_schedule` stretches a learning rate schedule that ends before the last step, in this run and
    in the model dir's config. `log` is told what a user should know, a line at a time. Raises ConfigError, DataError or
    CheckpointError before the first step; where there are more bad records than that, DataError after a checkpoint is
    saved.
    """
    log("Reading the config and the records that it names.")
    config = pipeline.read(pipeline_config)
    steps = num_steps if num_steps is not None else config.train_config.num_steps
    if extend_schedule:
        config = _with_longer_schedule(config, steps, log)
    _check(config, pipeline_config, Path(model_dir), num_steps, log)
    if steps < 1:
        raise ConfigError(
            f"{pipeline_config} has train_config.num_steps 0, so training would never end. Set it: "
            f"odtk configure {pipeline_config} --output {pipeline_config} --num-steps 25000"
        )
    if reuse_head_weights and not config.train_config.fine_tune_checkpoint:
        raise ConfigError(
            f"--reuse-head-weights needs a checkpoint to take them from, and {pipeline_config} names none. Set it: "
            f"odtk configure {pipeline_config} --output {pipeline_config} --fine-tune-checkpoint PREFIX"
        )
    log("Loading TensorFlow and building the model.")
    import tf_keras

    from odtk.devices import keep_freed_memory, prepare_gpus
    from odtk.inputs.bad_boxes import BadBoxes
    from odtk.inputs.bad_records import BadRecordFilter, summary
    from odtk.training.experiment import build_experiment
    from odtk.training.task import DetectionTask

    devices = prepare_gpus()
    keep_freed_memory()
    if not devices:
        log(_without_gpu(config))
    if seed is not None:
        tf_keras.utils.set_random_seed(seed)
    record_filter = BadRecordFilter(max_bad_records, log) if max_bad_records else None
    bad_boxes = BadBoxes(log)
    task = DetectionTask(
        config, seed, lambda report: log(describe_restore(report)), reuse_head_weights, record_filter, bad_boxes
    )
    live = LiveLine()
    actions = [live] if record_filter is None else [live, lambda output: record_filter.check()]
    with _orbit_off_stdout():
        experiment = build_experiment(task, model_dir, checkpoint_every, log_every, actions, log)
    first = int(experiment.trainer.global_step)
    # Only now is it certain that config and checkpoint fit each other.
    _save_config(config, Path(model_dir), is_resumed=bool(experiment.resumed_from))
    if experiment.resumed_from:
        log(f"Resuming from {experiment.resumed_from}, step {first}.")
    if experiment.slots_anew:
        log(f"Another optimizer trained it; this one begins anew with its {', '.join(experiment.slots_anew)}.")
    if first >= steps:
        return TrainingReport(str(model_dir), experiment.resumed_from, first, first, {}, devices)
    bar = track("Training", steps, "steps", completed=first, compiles=True, note="compiling the first step")
    with bar as progress, _orbit_off_stdout():
        live.attach(progress, experiment.trainer.global_step)
        _run(experiment, steps, config, log)
    bad = record_filter.finish() if record_filter else []
    if bad:
        log(summary(bad))
    if bad_boxes.images:
        log(bad_boxes.summary())
    last, checkpoint = int(experiment.trainer.global_step), experiment.manager.latest_checkpoint
    return TrainingReport(str(model_dir), checkpoint, first, last, live.losses, devices, bad, bad_boxes.images)


def _check(config, filename, model_dir: Path, num_steps: int | None, log: Callable[[str], None]) -> None:
    """The whole config: its training half must be sound, the evaluation half should be, and says so now."""
    overridden = ["train_config.num_steps"] if num_steps is not None else []
    is_resumed = any(model_dir.glob("*.index"))
    if is_resumed:
        # A resumed run does not read it again.
        overridden.append("train_config.fine_tune_checkpoint")
    steps = num_steps if num_steps is not None else config.train_config.num_steps
    overrun = schedule_edits.overrun(config, steps)
    if overrun:
        # Said here, of the steps that are asked for.
        overridden += [path for path in (schedule_edits.end_field(config),) if path]
    found = require_sound(config, filename, overridden=overridden)
    if is_resumed:
        path = config.train_input_reader.label_map_path
        for note in trained_classes.require_trained_classes(model_dir, path, "train_input_reader", filename):
            log(f"warning: {note}")
    found += [
        replace(finding, severity=WARNING) if finding.severity == ERROR else finding
        for finding in check_config(config, filename, paths_must_exist=True, needs=("eval",))
        if finding.path.startswith("eval_")
    ]
    for finding in found:
        # What is merely worth knowing is for `odtk configure --check`.
        if finding.severity == WARNING:
            log(str(finding))
    if overrun:
        log(_describe_overrun(overrun, fixing_command(config, filename, "--num-steps", steps)))


def _describe_overrun(overrun: schedule_edits.Overrun, command: str) -> str:
    if not overrun.is_idle:
        return f"note: the learning rate {overrun.text}. To stretch the schedule: --extend-schedule, or {command}"
    return (
        f"warning: the learning rate {overrun.text}. Stretch the schedule: {command}; or add --extend-schedule, which "
        "does so for this run."
    )


def _with_longer_schedule(config, steps: int, log: Callable[[str], None]):
    """The config with its schedule stretched to `steps` where it ends before; it is written to the model dir alone."""
    if schedule_edits.overrun(config, steps) is None:
        log(f"The learning rate schedule reaches step {steps}: --extend-schedule has nothing to change.")
        return config
    edits = schedule_edits.set_num_steps(config, steps)
    log("--extend-schedule: " + ", ".join(f"{path.rpartition('.')[2]} is {value}" for path, value in edits) + ".")
    return pipeline.parse(pipeline.set_fields(pipeline.format(config), edits, "the config"), "the config")


def _run(experiment, steps: int, config, log: Callable[[str], None]) -> None:
    """The training loop, with what can stop it half-way put in words."""
    import tensorflow as tf

    from odtk.inputs.build import build_fault_finder
    from odtk.inputs.record_errors import naming_the_record

    try:
        with naming_the_record(build_fault_finder(config.train_input_reader, config.model.ssd.num_classes)):
            experiment.controller.train(steps)
    except (KeyboardInterrupt, DataError) as error:
        if isinstance(error, KeyboardInterrupt) and int(experiment.trainer.optimizer.iterations):
            log("Interrupted: saving a checkpoint. Interrupt again to stop without one.")
        _save_what_there_is(experiment, log)
        raise
    except tf.errors.OutOfRangeError as error:
        step = _save_what_there_is(experiment, log)
        if experiment.trainer.task.record_filter is not None:
            experiment.trainer.task.record_filter.finish()
        raise DataError(
            f"The training data ended at step {step} of {steps}: train_input_reader.num_epochs is "
            f"{config.train_input_reader.num_epochs}. Remove it to read the records again and again, or ask for fewer "
            "steps with --num-steps."
        ) from error
    except tf.errors.ResourceExhaustedError as error:
        if as_os_error(error):  # of the disk
            raise
        raise OdtkError(
            f"Out of memory with batch_size {config.train_config.batch_size}. Make it smaller, and the learning rate "
            "with it: odtk configure CONFIG --output CONFIG --batch-size N"
        ) from error


def _save_what_there_is(experiment, log: Callable[[str], None]) -> int:
    # A step whose data failed may have been counted, but has changed no weight.
    step = int(experiment.trainer.optimizer.iterations)
    experiment.trainer.global_step.assign(step)
    if step:
        path = experiment.manager.save(checkpoint_number=step, check_interval=False)
        log(f"Stopped at step {step}; saved {path}. The same command goes on from there.")
    return step


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
        # The first ones are what a narrow terminal keeps.
        short = {
            "Loss/total_loss": "loss",
            "Loss/classification_loss": "cls",
            "Loss/localization_loss": "loc",
            "learning_rate": "lr",
            "Loss/regularization_loss": "reg",
        }
        parts = [f"{word} {self.losses[tag]:.3g}" for tag, word in short.items()]
        self.progress.update(int(self.global_step), ", ".join(parts))


def describe_restore(report) -> str:
    """What a fine-tuning checkpoint gave, as a table: by part of the model the numbers of variables, and why."""
    rows = [("part of the model", "restored", "initial", "not used", "")]
    groups = _by_group(report.restored), _by_group(report.skipped), _by_group(report.unused)
    for name in dict.fromkeys(name for group in groups for name in group):
        counts = (str(len(group[name])) if name in group else "-" for group in groups)
        reasons = dict.fromkeys(report.skipped[key] for key in groups[1].get(name, []))
        rows.append((name, *counts, "; ".join(reasons)))
    totals = [str(len(keys)) for keys in (report.restored, report.skipped, report.unused)]
    rows.append(("all", *totals, ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"Fine-tuning from {report.prefix}, numbers of variables (not used: the checkpoint's):"]
    for name, *counts, reason in rows:
        cells = [count.rjust(width) for count, width in zip(counts, widths[1:], strict=True)]
        lines.append("  ".join(["", name.ljust(widths[0]), *cells, reason]).rstrip())
    return "\n".join(lines)


def _by_group(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys by the parts of their path below `model` that have names, not numbers; at most three."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        _, *parts = key.split("/")
        named = itertools.takewhile(lambda part: not part[-1:].isdigit(), parts[:-1])
        groups.setdefault("/".join(itertools.islice(named, 3)), []).append(key)
    return groups


def _save_config(config, model_dir: Path, is_resumed: bool) -> None:
    pipeline.write(config, model_dir / "pipeline.config")
    name = config.train_input_reader.label_map_path
    # A map that lacks classes that were trained would no longer tell what their outputs mean.
    if name and not (is_resumed and trained_classes.lacks_trained_classes(model_dir, name)):
        text = prototext.read_text(label_map.find(name), "a label map", LabelMapError)
        write_text(model_dir / trained_classes.FILE, text)


@contextlib.contextmanager
def _orbit_off_stdout():
    """Orbit prints to stdout, which belongs to results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
