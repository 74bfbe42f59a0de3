"""Resumes from a model dir's newest checkpoint: finds it, and checks that its variables match."""

import os
from collections.abc import Callable

import tensorflow as tf

from odtk.checkpoints import restoring
from odtk.checkpoints.model_dir import prepare_to_resume
from odtk.checkpoints.reader import CheckpointReader
from odtk.detectors.detector import Detector
from odtk.training.optimizer import slot_paths


def open_newest(model_dir: str | os.PathLike, log: Callable[[str], None]) -> CheckpointReader | None:
    """The checkpoint to resume from, None if there is none. See prepare_to_resume."""
    prefix = prepare_to_resume(model_dir, log)
    return CheckpointReader(prefix) if prefix else None


def require_match(model: Detector, reader: CheckpointReader) -> None:
    """Raises CheckpointError unless model and checkpoint have the same variables: Orbit restores what matches."""
    restoring.require_match(model.checkpoint_variables(), reader)


def new_slots(optimizer, reader: CheckpointReader) -> list[str]:
    """Names of the optimizer's slots ("momentum") that the checkpoint, of another optimizer, does not have."""
    return sorted(path.rpartition("/")[2] for path in slot_paths(optimizer) - reader.slots())


def start_new_slots(optimizer, model: Detector, step: tf.Variable) -> None:
    """For an optimizer that is not in the checkpoint: the schedule continues, and averages start from the weights."""
    optimizer.iterations.assign(step)
    if "average" in optimizer.get_slot_names():
        for variable in model.trainable_variables:
            optimizer.get_slot(variable, "average").assign(variable)
