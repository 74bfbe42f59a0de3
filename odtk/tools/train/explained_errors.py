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
from odtk.training.out_of_memory import EvaluationOutOfMemory, SumsCutOff, cut_off_before, is_out_of_memory
from odtk.training.strategy import has_several_workers


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
    except SumsCutOff as error:
        raise _sums_cut_off(experiment, error.failed, config, filename) from error
    except EvaluationOutOfMemory as error:
        raise _out_of_memory_evaluating(experiment, config, filename) from error
    except NotFiniteError as error:
        lower = fixing_command(config, filename, "--learning-rate", "RATE")
        raise OdtkError(
            f"{error} For a lower rate: {lower}. To check the data: "
            f"{shlex.join(['odtk', 'inspect', str(filename)])} --verify",
            argument=error.argument,
        ) from error


def _out_of_memory(experiment: Experiment, config, filename: str | os.PathLike) -> OdtkError:
    """Where training could not go on in more micro-batches: each has one image, it takes all workers, or it failed."""
    size, more = config.train_config.batch_size, _more_micro_batches(experiment, config, experiment.task.micro_batches)
    if more is not None:
        whose = "all workers" if has_several_workers(experiment.trainer.strategy) else "the training"
        return OdtkError(
            f"Out of memory with batch_size {size} in {_counted(experiment.task.micro_batches)}. Start {whose} again "
            f"with {more}: it resumes from the last checkpoint.",
            argument="accumulate",
        )
    return _one_image_is_too_much(config, filename)


def _sums_cut_off(experiment: Experiment, micro_batches: int | None, config, filename: str | os.PathLike) -> OdtkError:
    """Where a step ran out of memory in so many micro-batches (None: of an earlier run), and no other can be tried."""
    if micro_batches is None:
        return cut_off_before()
    size, more = config.train_config.batch_size, _more_micro_batches(experiment, config, micro_batches)
    if more is None:
        return _one_image_is_too_much(config, filename)
    return OdtkError(
        f"Out of memory with batch_size {size} in {_counted(micro_batches)} at step {experiment.step + 1}, on one "
        "device while another waited for its part of a sum: after that TensorFlow sums no more in this process. Start "
        f"the training again with {more} micro-batches: it resumes from the last checkpoint.",
        argument="accumulate",
    )


def _one_image_is_too_much(config, filename: str | os.PathLike) -> OdtkError:
    smaller = fixing_command(config, filename, "--image-size", "HEIGHTxWIDTH")
    return OdtkError(
        f"Out of memory with batch_size {config.train_config.batch_size}, although each device computes one image at a "
        f"time. Train on smaller images ({smaller}), in a lower precision, or on a device with more memory."
    )


def _out_of_memory_evaluating(experiment: Experiment, config, filename: str | os.PathLike) -> OdtkError:
    """Fewer images in its batches help; where each has one, less that training keeps, or no evaluation beside it."""
    size = config.eval_config.batch_size
    if size > 1:
        fewer = fixing_command(config, filename, *setting("eval_config.batch_size", size // 2))
        return OdtkError(
            f"Out of memory while evaluating with eval_config.batch_size {size}. Reduce it: {fewer}. The next run "
            "resumes from the last checkpoint."
        )
    more = _more_micro_batches(experiment, config, experiment.task.micro_batches)
    parts = f"in {_counted(more)}, or " if more is not None else ""
    return OdtkError(
        "Out of memory while evaluating, although eval_config.batch_size is 1: training keeps too much of it. Start it "
        f"again {parts}without evaluations while it trains (`odtk train --eval-every 0`), and measure the model "
        "afterwards (`odtk evaluate`). The next run resumes from the last checkpoint.",
        argument="eval_every" if more is None else "accumulate",
    )


def _more_micro_batches(experiment: Experiment, config, micro_batches: int) -> int | None:
    """The next number of them; None if each has one image."""
    per_replica = config.train_config.batch_size // experiment.trainer.strategy.num_replicas_in_sync
    return finer(per_replica, micro_batches)


def _counted(micro_batches: int) -> str:
    return "one piece" if micro_batches == 1 else f"{micro_batches} micro-batches"
