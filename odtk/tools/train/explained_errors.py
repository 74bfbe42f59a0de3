"""Errors that can end training early, with the command that fixes them."""

import contextlib
import os
import re
import shlex
from collections.abc import Iterator

import tensorflow as tf

from odtk.errors import DataError, OdtkError
from odtk.system_errors import as_os_error
from odtk.tools.check_config import fixing_command
from odtk.training.callbacks.nan_guard import NotFiniteError
from odtk.training.experiment import Experiment

# As other classes of errors say it: of cuDNN, of XLA, of the driver.
_OUT_OF_MEMORY = re.compile("OOM when allocating|failed to allocate|out of memory|CUDA_ERROR_OUT_OF_MEMORY", re.I)


@contextlib.contextmanager
def explained_errors(experiment: Experiment, num_steps: int, config, filename: str | os.PathLike) -> Iterator[None]:
    """Wraps training to `num_steps`: end of the data, out of memory and a NaN loss are raised as OdtkErrors."""
    try:
        yield
    except tf.errors.OutOfRangeError as error:
        raise DataError(
            f"The training data ended at step {experiment.step} of {num_steps}: train_input_reader.num_epochs is "
            f"{config.train_input_reader.num_epochs}. Remove it to read the records repeatedly, or train for fewer "
            "steps.",
            argument="num_steps",
        ) from error
    except tf.errors.OpError as error:
        if not _is_out_of_memory(error):
            raise
        raise OdtkError(
            f"Out of memory with batch_size {config.train_config.batch_size}. Reduce it, and the learning rate with "
            f"it: {fixing_command(config, filename, '--batch-size', 'N')}"
        ) from error
    except NotFiniteError as error:
        lower = fixing_command(config, filename, "--learning-rate", "RATE")
        raise OdtkError(
            f"{error} For a lower rate: {lower}. To check the data: "
            f"{shlex.join(['odtk', 'inspect', str(filename)])} --verify",
            argument=error.argument,
        ) from error


def _is_out_of_memory(error: tf.errors.OpError) -> bool:
    """Of the device or the machine: TensorFlow has the same class of errors for a full disk, told apart by the text."""
    if as_os_error(error) is not None:
        return False
    return isinstance(error, tf.errors.ResourceExhaustedError) or bool(_OUT_OF_MEMORY.search(error.message or ""))
