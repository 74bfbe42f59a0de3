"""TPUs: how one is found, and what its programs need."""

import tensorflow as tf
from official.common import distribute_utils

from odtk.errors import OdtkError

LOCAL = "local"
"""The name of the TPU that is attached to this machine."""


def connect(name: str) -> tf.distribute.Strategy:
    """The strategy of a TPU's cores; must be called before TensorFlow computes anything.

    Raises OdtkError for any but LOCAL: the input pipeline would run on the TPU's own hosts, and it calls Python to
    skip and count bad records, which only this process has. Raises OdtkError, too, if no TPU is found.
    """
    if name != LOCAL:
        raise OdtkError(
            f"The TPU '{name}' would be reached over the network, which is not supported: records would be read on its "
            "hosts, where bad ones cannot be skipped and counted. Run odtk on the TPU's own machine, with local.",
            argument="tpu",
        )
    try:
        return distribute_utils.get_distribution_strategy("tpu", tpu_address=LOCAL)
    except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
        raise OdtkError(
            f"No TPU was found on this machine: {_first_sentence(error)}. If it has one, it needs the TensorFlow that "
            "can use it, tensorflow-tpu, in the place of tensorflow; `odtk doctor` shows what is installed.",
            argument="tpu",
        ) from error


def _first_sentence(error: Exception) -> str:
    lines = (getattr(error, "message", None) or str(error)).splitlines()
    return lines[0].split(". ")[0].rstrip(".") if lines else type(error).__name__
