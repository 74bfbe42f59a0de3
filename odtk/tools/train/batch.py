"""The batch of a run as its options want it: its size in the config, whether it can be cut, and how that is said."""

import os
from dataclasses import dataclass

from odtk import files, pipeline
from odtk.checkpoints.files import is_resumable
from odtk.errors import ConfigError
from odtk.tools import schedule_edits
from odtk.tools.train.config_changes import CONFIG
from odtk.tools.train.options import AUTO, TrainingOptions
from odtk.training.micro_batches import divisors


@dataclass(frozen=True)
class Batch:
    """How a step is computed; recorded in run.json."""

    images: int
    """Of all replicas together."""
    micro_batches: int = 1
    """One after the other on each replica."""
    replicas: int = 1

    @property
    def micro_batch(self) -> int:
        """Images that a replica computes at once."""
        return self.images // self.micro_batches // self.replicas


def with_batch_size(config, batch_size: int):
    """The config with this batch size, and its learning rates scaled linearly with it, as by `odtk configure`."""
    edits = schedule_edits.set_batch_size(config, batch_size)
    return pipeline.parse(pipeline.set_fields(pipeline.format(config), edits, "the config"), "the config")


def with_planned_batch(config, options: TrainingOptions, model_dir: str | os.PathLike):
    """The config with the batch that is known before TensorFlow is imported: the one asked for, or that of the run.

    Raises ConfigError if it cannot be cut into the micro-batches.
    """
    size = options.batch_size
    if size == AUTO:
        size = _size_in(model_dir)
    if size is not None:
        config = with_batch_size(config, int(size))
    is_known = options.batch_size != AUTO or size is not None
    if is_known and options.accumulate != AUTO and config.train_config.batch_size:
        require_divisible(Batch(config.train_config.batch_size, int(options.accumulate)))
    return config


def is_to_be_found(options: TrainingOptions, model_dir: str | os.PathLike) -> bool:
    """Whether trial steps choose the batch size: a run keeps the one that it started with."""
    return options.batch_size == AUTO and _size_in(model_dir) is None


def require_divisible(batch: Batch) -> None:
    """Raises ConfigError, with the nearest numbers that are possible, unless all micro-batches are equal."""
    share, rest = divmod(batch.images, batch.replicas)
    if rest:
        below, above = batch.images - rest, batch.images - rest + batch.replicas
        raise ConfigError(
            f"A batch of {batch.images} images cannot be shared evenly by {batch.replicas} devices. Make it "
            f"{' or '.join(str(each) for each in (below, above) if each)}.",
            argument="batch_size",
        )
    if share % batch.micro_batches:
        possible = divisors(share)
        near = [each for each in possible if each < batch.micro_batches][-1:]
        near += [each for each in possible if each > batch.micro_batches][:1]
        on_each = f", {share} on each of {batch.replicas} devices," if batch.replicas > 1 else ""
        raise ConfigError(
            f"A batch of {batch.images} images{on_each} cannot be cut into {batch.micro_batches} equal micro-batches. "
            f"Use {' or '.join(map(str, near))} of them, or another batch size.",
            argument="accumulate",
        )


def batch_line(config, given, batch: Batch) -> str:
    """One line about a run's batch and learning rate; `config` is the resolved one, `given` the file's.

    "Batch: 64 images = 8 micro-batches of 8 on one device; learning rate 0.04 as in the config."
    """
    text = f"Batch: {_counted(batch.images, 'image')}"
    on_each = batch.images // batch.replicas
    if batch.replicas > 1:
        text += f", {on_each} on each of {batch.replicas} devices"
    if batch.micro_batches > 1:
        text += f" = {batch.micro_batches} micro-batches of {batch.micro_batch}"
    if batch.replicas == 1:
        text += " on one device"
    return f"{text}; {_rate(config, given)}."


def _rate(config, given) -> str:
    now, before = schedule_edits.base_rate(config), schedule_edits.base_rate(given)
    if now is None:
        return "no learning rate schedule"
    old_size = given.train_config.batch_size
    if old_size == config.train_config.batch_size or before is None:
        return f"learning rate {now[1]:.7g} as in the config"
    return f"learning rate {now[1]:.7g}, scaled with the batch from {before[1]:.7g} for {_counted(old_size, 'image')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _size_in(model_dir: str | os.PathLike) -> int | None:
    """The batch size of the run in a model dir; None if there is none to resume."""
    path = files.join(model_dir, CONFIG)
    if not is_resumable(model_dir) or not files.exists(path):
        return None
    return pipeline.read(path).train_config.batch_size or None
