"""A model dir that cannot be written to any more: what is kept where, and the command that goes on."""

import contextlib
import errno
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from odtk import files
from odtk.errors import OutputError
from odtk.retrying import UnreachableError, is_of_writing
from odtk.system_errors import FULL, as_os_error, describe, in_bytes
from odtk.training.experiment import Experiment


@contextlib.contextmanager
def explained_write_errors(experiment: Experiment, command: str) -> Iterator[None]:
    """Wraps training: an error of writing is raised as an OutputError, and the weights are saved where they can be.

    Nothing that is in the model dir is removed. `command` starts the same run again.
    """
    try:
        yield
    except Exception as error:
        if not is_of_writing(error):
            raise
        kind = UnreachableError if isinstance(error, UnreachableError) else OutputError
        raise kind(" ".join([*_cause(experiment, error), *_what_is_kept(experiment, error, command)])) from error


def little_space(experiment: Experiment, keep: int) -> str | None:
    """A warning if the disk has not the space for the checkpoints that are kept, and one more that replaces them."""
    folder, needed = experiment.info.model_dir, experiment.trainer.checkpoint_bytes()
    if files.is_remote(folder):
        return None
    disk, present = shutil.disk_usage(folder), len(experiment.checkpoints.checkpoints)
    missing = max(keep + 1 - present, 1)
    if not disk.total or disk.free >= missing * needed:
        return None
    return (
        f"the disk of {folder} has {in_bytes(disk.free)} free, but {missing} more checkpoints need "
        f"{in_bytes(missing * needed)}. Free some space, or keep fewer checkpoints."
    )


def _cause(experiment: Experiment, error: Exception) -> Iterator[str]:
    folder = experiment.info.model_dir
    refused = as_os_error(error)
    if refused is None:
        yield str(error)
        return
    # Of the folder as a whole; TensorFlow names temporary files, which are removed.
    named = folder if refused.errno in (*FULL, errno.EFBIG, errno.EROFS) else refused.filename2 or refused.filename
    yield describe(refused, named or folder)
    if refused.errno in FULL:
        needed = in_bytes(experiment.trainer.checkpoint_bytes())
        yield f"A checkpoint needs about {needed}, and the disk of {folder} has {in_bytes(_free(folder))} free."


def _what_is_kept(experiment: Experiment, error: Exception, command: str) -> Iterator[str]:
    step, last = experiment.trainer.finished_step(), last_saved_step(experiment)
    if step == (last or 0):
        yield f"The last checkpoint is of step {last}, and nothing is lost." if last else "No step was trained yet."
        yield f"To go on: {command}"
        return
    yield f"The last checkpoint saved there is of step {last}." if last else "There is no checkpoint yet."
    if experiment.workers.count > 1:
        yield f"Saving takes all workers, so start all of them again. To go on: {command}"
        return
    folder = experiment.info.model_dir
    # Another file may have been the problem.
    if not isinstance(error, UnreachableError) and _save(experiment, step):
        yield f"The weights of step {step} are saved in it. To go on: {command}"
    elif place := _save_elsewhere(experiment, step):
        yield f"The weights of step {step} are saved in {place}. To go on from there:"
        move = f"mv {shlex.quote(place)}/* {shlex.quote(folder)} &&"
        yield f"copy its files to {folder}, then" if files.is_remote(folder) else move
        yield command
    else:
        yield f"The weights of step {step} could not be saved elsewhere, either. To go on: {command}"


def last_saved_step(experiment: Experiment) -> int | None:
    """Of the newest checkpoint that this run saved or started from."""
    numbers = re.findall(r"-(\d+)$", experiment.checkpoints.latest_checkpoint or "")
    return int(numbers[0]) if numbers else None


def _save(experiment: Experiment, step: int) -> bool:
    with contextlib.suppress(OSError, OutputError, tf.errors.OpError):
        experiment.checkpoints.save(checkpoint_number=step, check_interval=False)
        return True
    return False


def _save_elsewhere(experiment: Experiment, step: int) -> str | None:
    """A new local folder with a checkpoint; None if it cannot be written, either."""
    folder = None
    try:
        folder = tempfile.mkdtemp(prefix=f"odtk-{experiment.info.name}-")
        experiment.trainer.checkpoint.write(os.path.join(folder, f"ckpt-{step}"))
        tf.compat.v1.train.update_checkpoint_state(folder, f"ckpt-{step}", [f"ckpt-{step}"])
        return folder
    except (OSError, tf.errors.OpError):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        return None


def _free(folder: str) -> int:
    place = Path(folder)
    return shutil.disk_usage(next(each for each in (place, *place.absolute().parents) if each.exists())).free
