"""Resumes from a model dir's newest checkpoint: finds it, and checks that its variables match."""

import os
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from odtk.checkpoints.files import stated_newest
from odtk.checkpoints.newest import newest_checkpoint
from odtk.checkpoints.reader import CheckpointReader
from odtk.checkpoints.restoring import restore
from odtk.detectors.detector import Detector
from odtk.training.optimizer import slot_paths


def open_newest(model_dir: Path, log: Callable[[str], None]) -> CheckpointReader | None:
    """The checkpoint to resume from, None if there is none; from now on TensorFlow's manager finds the same one.

    `log` is called if another than the newest is used (see newest_checkpoint).
    """
    prefix = newest_checkpoint(model_dir, log)
    if prefix is None:
        return None
    # The manager reads the file `checkpoint`; checkpoints that are not in it are never deleted.
    if os.path.abspath(model_dir / (stated_newest(model_dir) or "")) != os.path.abspath(prefix):
        name = os.path.relpath(prefix, model_dir)
        tf.compat.v1.train.update_checkpoint_state(os.path.abspath(model_dir), name, [name])
    return CheckpointReader(prefix)


def require_match(model: Detector, reader: CheckpointReader) -> None:
    """Raises CheckpointError unless model and checkpoint have the same variables: Orbit restores what matches."""
    restore(model.checkpoint_variables(), reader)


def new_slots(optimizer, reader: CheckpointReader) -> list[str]:
    """Names of the optimizer's slots ("momentum") that the checkpoint, of another optimizer, does not have."""
    return sorted(path.rpartition("/")[2] for path in slot_paths(optimizer) - reader.slots())


def start_new_slots(optimizer, model: Detector, step: tf.Variable) -> None:
    """For an optimizer that is not in the checkpoint: the schedule continues, and averages start from the weights."""
    optimizer.iterations.assign(step)
    if "average" in optimizer.get_slot_names():
        for variable in model.trainable_variables:
            optimizer.get_slot(variable, "average").assign(variable)
