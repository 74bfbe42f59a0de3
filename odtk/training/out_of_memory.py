"""Out of memory: how TensorFlow says it, and the error of an evaluation that needs too much of it."""

import re

import tensorflow as tf

from odtk.system_errors import as_os_error

# As other classes of errors say it: of cuDNN, of XLA, of the driver.
_TEXTS = re.compile("OOM when allocating|failed to allocate|out of memory|CUDA_ERROR_OUT_OF_MEMORY", re.I)


class EvaluationOutOfMemory(Exception):
    """An evaluation in training needs more memory than there is."""


def is_out_of_memory(error: BaseException) -> bool:
    """Of the device or the machine: TensorFlow has the same class of errors for a full disk, told apart by the text."""
    if not isinstance(error, tf.errors.OpError) or as_os_error(error) is not None:
        return False
    return isinstance(error, tf.errors.ResourceExhaustedError) or bool(_TEXTS.search(error.message or ""))
