"""`odtk train`: a pipeline.config to checkpoints, scalars and a resolved config in a model dir."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from odtk import label_map, pipeline, prototext
from odtk.atomic import growing_folder, write_text
from odtk.errors import ConfigError, LabelMapError
from odtk.tools import trained_classes
from odtk.tools.arguments import require_whole
from odtk.tools.check_config import fixing_command
from odtk.tools.train.checks import check, without_gpu
from odtk.tools.train.longer_schedule import with_longer_schedule
from odtk.tools.train.restore_table import describe_restore

if TYPE_CHECKING:
    from odtk.inputs.bad_records import BadRecord, BadRecordFilter
    from odtk.records.box_errors import ImageWithBadBoxes
    from odtk.training.callbacks.callback import Callback

DEFAULT_CHECKPOINT_EVERY = 1000
DEFAULT_LOG_EVERY = 10
DEFAULT_MAX_BAD_RECORDS = 100


@dataclass
class TrainingReport:
    """Where a run ended, and what it left out."""

    model_dir: str
    checkpoint: str
    first_step: int
    last_step: int
    losses: dict[str, float]
    devices: list[str]
    bad_records: list[BadRecord] = field(default_factory=list)
    bad_boxes: list[ImageWithBadBoxes] = field(default_factory=list)


_Train = TypeVar("_Train", bound=Callable)


def _alone_in_model_dir(run: _Train) -> _Train:
    """Locks the folder before anything else: two runs in one folder would delete each other's checkpoints."""

    @functools.wraps(run)
    def train(pipeline_config, model_dir, *args, **settings):
        with growing_folder(
            model_dir, "Its checkpoints are unchanged; run the same command again to resume from the newest."
        ):
            return run(pipeline_config, model_dir, *args, **settings)

    return cast(_Train, train)


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
    callbacks: Sequence[Callback] | None = None,
) -> TrainingReport:
    """Trains until `num_steps` (the config's where None) and returns where that ended.

    A `model_dir` that holds a checkpoint is resumed. `reuse_head_weights` takes what does not depend on the classes
    from the heads of fine_tune_checkpoint too, where it fits. Up to `max_bad_records` records that cannot be used are
    left out; with 0, the first one ends the training. Boxes that cannot be used are left out of their images, any
    number of them. `extend_schedule` stretches a learning rate schedule that ends before the last step, in this run and
    in the model dir's config. `log` is told what a user should know, a line at a time; `callbacks` show the run and may
    stop it (see odtk.training.callbacks.callback): a progress line on stderr where None. Raises ConfigError, DataError
    or CheckpointError before the first step; where there are more bad records than that, DataError after a checkpoint
    is saved.
    """
    require_whole(1, num_steps=num_steps, checkpoint_every=checkpoint_every, log_every=log_every)
    require_whole(0, max_bad_records=max_bad_records)
    require_whole(0, 2**32 - 1, seed=seed)
    log("Reading the config and the records that it names.")
    config = pipeline.read(pipeline_config)
    steps = num_steps if num_steps is not None else config.train_config.num_steps
    if extend_schedule:
        config = with_longer_schedule(config, steps, log)
    check(config, pipeline_config, Path(model_dir), num_steps, log)
    if reuse_head_weights and not config.train_config.fine_tune_checkpoint:
        raise ConfigError(
            f"Head weights are reused from a checkpoint, but {pipeline_config} has none. Set it with "
            f"`{fixing_command(config, pipeline_config, '--fine-tune-checkpoint', 'PREFIX')}`.",
            argument="reuse_head_weights",
        )
    log("Loading TensorFlow and building the model.")
    from odtk.inputs.bad_boxes import BadBoxes
    from odtk.inputs.bad_records import BadRecordFilter, summary
    from odtk.tools.train.explained_errors import explained_errors
    from odtk.training.build import build_experiment
    from odtk.training.loggers.tensorboard import TensorBoard
    from odtk.training.loop import run
    from odtk.training.strategy import build_strategy
    from odtk.training.task import DetectionTask

    devices = _prepare_process(config, seed, log)
    record_filter = BadRecordFilter(max_bad_records, log) if max_bad_records else None
    bad_boxes = BadBoxes(log)
    task = DetectionTask(
        config, seed, lambda report: log(describe_restore(report)), reuse_head_weights, record_filter, bad_boxes
    )
    loggers = [TensorBoard(Path(model_dir) / "train")]
    experiment = build_experiment(task, build_strategy(), model_dir, checkpoint_every, log_every, loggers, log)
    first = experiment.step
    # Only now is it certain that config and checkpoint fit each other.
    _save_config(config, Path(model_dir), is_resumed=bool(experiment.resumed_from))
    if experiment.resumed_from:
        log(f"Resuming from {experiment.resumed_from}, step {first}.")
    if experiment.new_slots:
        log(f"It was trained with another optimizer; this one's {', '.join(experiment.new_slots)} start from scratch.")
    if first >= steps:
        return TrainingReport(str(model_dir), experiment.resumed_from or "", first, first, {}, devices)
    with explained_errors(experiment, steps, config, pipeline_config):
        losses = run(experiment, steps, _all_callbacks(callbacks, record_filter, log))
    bad = record_filter.bad_records if record_filter else []
    if bad:
        log(summary(bad))
    if spoiled := bad_boxes.summary():
        log(spoiled)
    checkpoint = experiment.checkpoints.latest_checkpoint
    return TrainingReport(str(model_dir), checkpoint, first, experiment.step, losses, devices, bad, bad_boxes.images)


def _prepare_process(config, seed: int | None, log: Callable[[str], None]) -> list[str]:
    """Sets TensorFlow up; the names of the GPUs."""
    import tf_keras

    from odtk.devices import keep_freed_memory, prepare_gpus

    devices = prepare_gpus()
    keep_freed_memory()
    if not devices:
        log(without_gpu(config))
    if seed is not None:
        tf_keras.utils.set_random_seed(seed)
    return devices


def _all_callbacks(
    callbacks: Sequence[Callback] | None, record_filter: BadRecordFilter | None, log: Callable[[str], None]
) -> list[Callback]:
    """In the order in which they are called after each loop; at the end the order is reversed."""
    from odtk.training.callbacks.bad_records import BadRecordLimit
    from odtk.training.callbacks.checkpoints import SaveAtInterruption
    from odtk.training.callbacks.nan_guard import NanGuard
    from odtk.training.callbacks.progress_line import ProgressLine

    limits = [BadRecordLimit(record_filter)] if record_filter else []
    shown = [ProgressLine()] if callbacks is None else callbacks
    return [NanGuard(), *shown, *limits, SaveAtInterruption(log)]


def _save_config(config, model_dir: Path, is_resumed: bool) -> None:
    pipeline.write(config, model_dir / "pipeline.config")
    name = config.train_input_reader.label_map_path
    # A map without some trained classes would no longer define the meaning of their outputs.
    if name and not (is_resumed and trained_classes.lacks_trained_classes(model_dir, name)):
        text = prototext.read_text(label_map.find(name), "a label map", LabelMapError)
        write_text(model_dir / trained_classes.FILE, text)
