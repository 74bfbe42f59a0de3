"""Resumes from a model dir's newest checkpoint: finds it, and checks that its variables match."""

import os
from collections.abc import Callable

from odtk.checkpoints import restoring
from odtk.checkpoints.model_dir import prepare_to_resume
from odtk.checkpoints.reader import CheckpointReader
from odtk.detectors.detector import Detector
from odtk.inputs.build import record_files
from odtk.inputs.epochs import Position
from odtk.protos import pipeline_pb2
from odtk.records.shards import count_records
from odtk.training.optimizer import slot_paths
from odtk.training.trainer import LAST_POSITION


def open_newest(model_dir: str | os.PathLike, log: Callable[[str], None]) -> CheckpointReader | None:
    """The checkpoint to resume from, None if there is none. See prepare_to_resume."""
    prefix = prepare_to_resume(model_dir, log)
    return CheckpointReader(prefix) if prefix else None


def require_match(model: Detector, reader: CheckpointReader) -> None:
    """Raises CheckpointError unless model and checkpoint have the same variables: Orbit restores what matches."""
    restoring.require_match(model.checkpoint_variables(), reader)


def next_position(
    reader: CheckpointReader, config: pipeline_pb2.TrainEvalPipelineConfig, log: Callable[[str], None]
) -> Position:
    """Where the data of a run that resumes this checkpoint starts.

    A checkpoint of TFOD or of an older odtk does not say it: then as many records count as read as its steps had, and
    `log` is called.
    """
    name = reader.tensor_name(LAST_POSITION)
    if name is not None:
        return Position.after(int(reader.value(name)))
    position = position_after(reader.step or 0, config)
    log(
        f"note: {reader.prefix} does not say which records it was trained on last, as it is of TFOD or of an older "
        f"odtk. The data starts at record {position.index} of epoch {position.epoch} (both from 0), where it would be "
        f"after {reader.step or 0} steps; its order is another than in an uninterrupted run."
    )
    return position


def position_after(steps: int, config: pipeline_pb2.TrainEvalPipelineConfig) -> Position:
    """The position after so many steps, if no record is bad; in the first epoch if the records cannot be counted."""
    input_reader = config.train_input_reader
    every = max(input_reader.sample_1_of_n_examples, 1)
    read = steps * config.train_config.batch_size
    files = record_files(input_reader)
    if input_reader.sample_from_datasets_weights:
        return Position(0, read * every)
    if any("://" in file for file in files):
        return Position()
    epoch, index = divmod(read, max(-(-count_records(files) // every), 1))
    return Position(epoch, index * every)


def new_slots(optimizer, reader: CheckpointReader) -> list[str]:
    """Names of the optimizer's slots ("momentum") that the checkpoint, of another optimizer, does not have."""
    return sorted(path.rpartition("/")[2] for path in slot_paths(optimizer) - reader.slots())


def start_averages(optimizer, model: Detector, reader: CheckpointReader) -> None:
    """Starts averages that are not in the checkpoint (of another optimizer, of weights that were frozen) from weights.

    To be called when the checkpoint is restored.
    """
    if "average" not in optimizer.get_slot_names():
        return
    trained = {id(variable) for variable in model.trainable_variables}
    for key, variable in model.checkpoint_variables().items():
        name = reader.tensor_name(key)
        if id(variable) in trained and (name is None or reader.slot(name, "average") is None):
            optimizer.get_slot(variable, "average").assign(variable)
