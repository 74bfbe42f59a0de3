"""Chooses the batch of a run, or its micro-batches, by what fits into the memory of the devices."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from odtk.detectors import families
from odtk.errors import OdtkError
from odtk.hardware import CPU, Device
from odtk.protos import pipeline_pb2
from odtk.system_errors import in_bytes
from odtk.tools.train.batch import Batch, require_divisible, with_batch_size
from odtk.tools.train.options import AUTO, TrainingOptions
from odtk.training.fitting import Trials, round_sizes
from odtk.training.micro_batches import divisors
from odtk.training.out_of_memory import SumsCutOff, cut_off_before
from odtk.training.step_memory import StepMemory, build_step_memory
from odtk.training.strategy import has_several_workers
from odtk.training.task import DetectionTask
from odtk.training.trial_steps import TrialSteps

_MOST_IMAGES = 1024  # of a replica, if the records cannot be counted
_PARTS = 2  # of a trial with micro-batches: the second one is computed while the sums of the first are kept


@dataclass(frozen=True)
class BatchChoice:
    """What the choice needs to know of a run."""

    config: pipeline_pb2.TrainEvalPipelineConfig
    options: TrainingOptions
    finds_size: bool
    """Whether the batch size is to be found, too."""
    num_records: int | None
    strategy: tf.distribute.Strategy
    devices: Sequence[Device]
    """Those of the strategy's replicas, with their memory."""
    build_task: Callable[[pipeline_pb2.TrainEvalPipelineConfig, int], DetectionTask]
    """Of a config and a number of micro-batches: the run's task."""
    log: Callable[[str], None]

    @property
    def needs_trials(self) -> bool:
        """Whether trial steps are made: then TensorFlow's random state is another afterwards."""
        return AUTO in (self.options.batch_size, self.options.accumulate)


def choose_batch(choice: BatchChoice) -> tuple[pipeline_pb2.TrainEvalPipelineConfig, Batch]:
    """The config, with the batch size that was found, and the batch.

    Raises OdtkError if not even one image fits, and ConfigError if the batch cannot be shared or cut.
    """
    replicas, wanted = choice.strategy.num_replicas_in_sync, choice.options.accumulate
    size = choice.config.train_config.batch_size
    if not choice.finds_size and wanted != AUTO and (wanted != 1 or not choice.needs_trials):
        batch = Batch(size, int(wanted), replicas)
    elif not families.of(choice.config).fixed_sides(choice.config.model):
        choice.log("The images have several sizes: each is a micro-batch of its own.")
        require_divisible(Batch(size, 1, replicas))
        batch = Batch(size, size // replicas, replicas)
    elif has_several_workers(choice.strategy):
        raise OdtkError(
            "Workers cannot agree on a batch by trial steps. Give the numbers that one of them finds alone.",
            argument="batch_size" if choice.options.batch_size == AUTO else "accumulate",
        )
    else:
        batch = _found_by_trials(choice, 1 if wanted == AUTO else int(wanted))
    require_divisible(batch)
    return (choice.config if batch.images == size else with_batch_size(choice.config, batch.images)), batch


def _found_by_trials(choice: BatchChoice, micro_batches: int) -> Batch:
    try:
        return _largest_batch(choice, micro_batches) if choice.finds_size else _fewest_micro_batches(choice)
    except SumsCutOff as error:
        raise _cut_off(choice, error, micro_batches) from error


def _largest_batch(choice: BatchChoice, micro_batches: int) -> Batch:
    replicas, given = choice.strategy.num_replicas_in_sync, choice.config.train_config.batch_size
    most = _MOST_IMAGES if choice.num_records is None else choice.num_records // (replicas * micro_batches)
    if all(device.kind == CPU for device in choice.devices):
        choice.log(f"A CPU trains larger batches no faster, so the batch is not larger than the config's {given}.")
        most = min(most, given // (replicas * micro_batches))
    most = max(most, 1)
    found = _largest(choice, sorted({*round_sizes(most), most}), micro_batches)
    if found is None:
        raise _too_large()
    return Batch(found * replicas * micro_batches, micro_batches, replicas)


def _fewest_micro_batches(choice: BatchChoice) -> Batch:
    replicas, size = choice.strategy.num_replicas_in_sync, choice.config.train_config.batch_size
    require_divisible(Batch(size, 1, replicas))
    share = size // replicas
    if _largest(choice, [share], 1) is not None:
        return Batch(size, 1, replicas)
    found = _largest(choice, divisors(share)[:-1], _PARTS) if share > 1 else None
    if found is None:
        raise _too_large()
    return Batch(size, share // found, replicas)


def _largest(choice: BatchChoice, sizes: list[int], micro_batches: int) -> int | None:
    """The largest number of images that a replica can train on at once."""
    choice.log("Looking for the number of images that fit into the memory, by trial steps on drawn data.")
    memory = build_step_memory(choice.devices)
    parts = min(micro_batches, _PARTS)
    trials = Trials(_trial_steps(choice, max(sizes), parts, memory), memory.limit, memory.may_fail)
    found, peaks = trials.largest(sizes), trials.peaks
    del trials
    gc.collect()  # its model and its optimizer, which refer to each other: the run's own need their memory
    if found is not None and memory.limit and (peak := peaks.get(found)):
        what = "one image" if found == 1 else f"{found} images"
        choice.log(f"A step on {what} takes {in_bytes(peak)} of {in_bytes(memory.limit)}.")
    return found


def _trial_steps(choice: BatchChoice, most: int, parts: int, memory: StepMemory) -> Callable[[int], int | None]:
    """A seam for tests: the function that trains on so many images, and returns the peak in bytes."""
    replicas = choice.strategy.num_replicas_in_sync
    config = with_batch_size(choice.config, most * replicas * parts)
    return TrialSteps(lambda: choice.build_task(config, parts), choice.strategy, memory)


def _too_large() -> OdtkError:
    return OdtkError(
        "Not even one image per step fits into the memory of the device. Train on smaller images or in a lower "
        "precision, or choose a device with more memory."
    )


def _cut_off(choice: BatchChoice, error: SumsCutOff, micro_batches: int) -> OdtkError:
    """With the number to start again with: half of what ran out of memory, or what fitted if that is more."""
    if error.failed is None:
        return cut_off_before()
    replicas, images = choice.strategy.num_replicas_in_sync, max(error.fits or 1, error.failed // 2)
    if choice.finds_size:
        argument, what = "batch_size", f"a batch of {images * replicas * micro_batches}"
    else:
        share = choice.config.train_config.batch_size // replicas
        parts = next(parts for parts in divisors(share) if share // parts <= images)
        argument, what = "accumulate", f"{parts} micro-batches"
    return OdtkError(
        f"A trial step on {error.failed} images for each of {replicas} devices ran out of memory on one of them while "
        "another waited for its part of a sum, after which TensorFlow sums no more in this process. Start the training "
        f"again with {what}.",
        argument=argument,
    )
