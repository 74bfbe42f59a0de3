"""Out of memory: how TensorFlow says it, and the errors of an evaluation and of sums over devices that it ends."""

import re

import tensorflow as tf

from odtk.system_errors import as_os_error

# As other classes of errors say it: of cuDNN, of XLA, of the driver.
_TEXTS = re.compile("OOM when allocating|failed to allocate|out of memory|CUDA_ERROR_OUT_OF_MEMORY", re.I)


# Until the process ends, once a step failed while one of its replicas waited for the others' part of a sum.
_SUMS_CUT_OFF = "Collective ops is aborted by"


class EvaluationOutOfMemory(Exception):
    """An evaluation in training needs more memory than there is."""


class SumsCutOff(Exception):
    """A step ran out of memory on one of several devices, and TensorFlow sums no more over them in this process."""

    def __init__(self, failed: int, fits: int | None = None):
        """`failed`: of a training the micro-batches of the step, of trials the images on each device.

        `fits`: the most images of trials that were not out of memory.
        """
        super().__init__("Sums over devices were cut off by a step that ran out of memory")
        self.failed, self.fits = failed, fits


def are_sums_cut_off(error: tf.errors.OpError) -> bool:
    """Whether TensorFlow refuses all sums over devices from now on, because of this or of an earlier error."""
    return _SUMS_CUT_OFF in (error.message or "")


def is_out_of_memory(error: BaseException) -> bool:
    """Of the device or the machine: TensorFlow has the same class of errors for a full disk, told apart by the text."""
    if not isinstance(error, tf.errors.OpError) or as_os_error(error) is not None:
        return False
    return isinstance(error, tf.errors.ResourceExhaustedError) or bool(_TEXTS.search(error.message or ""))
