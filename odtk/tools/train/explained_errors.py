"""Errors that can end training early, with the command that fixes them."""

import contextlib
import os
import shlex
from collections.abc import Iterator

import tensorflow as tf

from odtk.errors import DataError, OdtkError
from odtk.tools.check_config import fixing_command
from odtk.tools.check_config.config_checks import setting
from odtk.training.callbacks.nan_guard import NotFiniteError
from odtk.training.experiment import Experiment
from odtk.training.micro_batches import finer
from odtk.training.out_of_memory import EvaluationOutOfMemory, is_out_of_memory


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
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(experiment, config, filename) from error
    except EvaluationOutOfMemory as error:
        fewer = setting("eval_config.batch_size", max(config.eval_config.batch_size // 2, 1))
        raise OdtkError(
            f"Out of memory while evaluating with eval_config.batch_size {config.eval_config.batch_size}. "
            f"Reduce it: {fixing_command(config, filename, *fewer)}. The next run resumes from the last checkpoint."
        ) from error
    except NotFiniteError as error:
        lower = fixing_command(config, filename, "--learning-rate", "RATE")
        raise OdtkError(
            f"{error} For a lower rate: {lower}. To check the data: "
            f"{shlex.join(['odtk', 'inspect', str(filename)])} --verify",
            argument=error.argument,
        ) from error


def _out_of_memory(experiment: Experiment, config, filename: str | os.PathLike) -> OdtkError:
    """Where training could not go on in more micro-batches: each has one image, or there are several workers."""
    size, parts = config.train_config.batch_size, experiment.task.micro_batches
    more = finer(size // experiment.trainer.strategy.num_replicas_in_sync, parts)
    if more is not None:
        text = f"Out of memory with batch_size {size} in {parts} micro-batches. Start all workers again with {more}."
        return OdtkError(text, argument="accumulate")
    smaller = fixing_command(config, filename, "--image-size", "HEIGHTxWIDTH")
    return OdtkError(
        f"Out of memory with batch_size {size}, although each device computes one image at a time. Train on smaller "
        f"images ({smaller}), in a lower precision, or on a device with more memory."
    )
