"""Out of memory: how TensorFlow says it, and the errors of an evaluation and of sums over devices that it ends."""

import re

import tensorflow as tf

from odtk.errors import OdtkError
from odtk.system_errors import as_os_error

# As other classes of errors say it: of cuDNN, of XLA, of the driver.
_TEXTS = re.compile("OOM when allocating|failed to allocate|out of memory|CUDA_ERROR_OUT_OF_MEMORY", re.I)


# Until the process ends, once a step failed while a replica waited for the others' part of the first sum of all: by
# then TensorFlow does not know who takes part. Of a later sum it recovers (seen on CPUs, not tried on GPUs).
_SUMS_CUT_OFF = "Collective ops is aborted by"


class EvaluationOutOfMemory(Exception):
    """An evaluation in training needs more memory than there is."""


class SumsCutOff(Exception):
    """A step ran out of memory on one of several devices, and TensorFlow sums no more over them in this process."""

    def __init__(self, failed: int | None, fits: int | None = None):
        """`failed`: of a training the micro-batches of the step, of trials the images on each device; None: before it.

        `fits`: the most images of trials that were not out of memory.
        """
        super().__init__("Sums over devices were cut off by a step that ran out of memory")
        self.failed, self.fits = failed, fits


def are_sums_cut_off(error: tf.errors.OpError) -> bool:
    """Whether TensorFlow refuses all sums over devices from now on, because of this or of an earlier error."""
    return _SUMS_CUT_OFF in (error.message or "")


def cut_off_before() -> OdtkError:
    """What is told of a run that begins in such a process, as in a notebook."""
    return OdtkError(
        "TensorFlow sums no more over several devices in this process, because an earlier step failed on one of them "
        "while another waited for its part of a sum. Start the training again in a new process; in a notebook restart "
        "the runtime first."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Of the device or the machine: TensorFlow has the same class of errors for a full disk, told apart by the text."""
    if not isinstance(error, tf.errors.OpError) or as_os_error(error) is not None:
        return False
    return isinstance(error, tf.errors.ResourceExhaustedError) or bool(_TEXTS.search(error.message or ""))
