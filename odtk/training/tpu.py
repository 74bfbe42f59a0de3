"""TPUs: how the one that is attached to this machine, or one that is reached over the network, is found."""

import functools
import re
import socket
from collections.abc import Callable

import tensorflow as tf
from official.common import distribute_utils

from odtk.device_words import LOCAL_TPU
from odtk.errors import OdtkError

_GRPC = "grpc://"
_CONNECT = 5.0  # seconds
_CLOUD = "Cloud TPUs are named as by `gcloud compute tpus list`, in this machine's project and zone"


@functools.cache
def connect(name: str) -> tf.distribute.Strategy:
    """The strategy of a TPU's cores; must be called before TensorFlow computes anything.

    `name`: LOCAL_TPU, a Cloud TPU's name, or the address of its hosts, grpc://HOST:PORT,... A second call for the same
    TPU gives the same strategy, because connecting again would lose the first one's variables. Raises OdtkError if it
    is not there, is not ready, or runs another TensorFlow.
    """
    if name != LOCAL_TPU:
        _require_reachable(name)
    try:
        return distribute_utils.get_distribution_strategy("tpu", tpu_address=name)
    except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
        if name != LOCAL_TPU:
            raise _refusal(
                f"The TPU '{name}' cannot be used: {_first_sentence(error)}. End other processes that use it, and see "
                "that these are the addresses of a TPU's hosts."
            ) from error
        raise _refusal(
            f"No TPU was found on this machine: {_first_sentence(error)}. If it has one, it needs the TensorFlow that "
            "can use it, tensorflow-tpu, in the place of tensorflow; `odtk doctor` shows what is installed."
        ) from error


def _require_reachable(name: str) -> None:
    """Raises OdtkError unless the TPU's hosts can be connected to; TensorFlow itself would try for minutes."""
    from tensorflow.python.tpu.client.client import Client

    found = _asked(name, lambda: Client(tpu=name))
    endpoints = _asked(name, found.network_endpoints)
    for address in [(endpoint["ipAddress"], int(endpoint["port"])) for endpoint in endpoints]:
        try:
            socket.create_connection(address, timeout=_CONNECT).close()
        except OSError as error:
            raise _refusal(
                f"The TPU '{name}' cannot be reached at {address[0]}:{address[1]}: {error.strerror or error}. Run odtk "
                "on a machine of the TPU's own network (for a TPU VM: on its first host), and see that it is running."
            ) from error
    if not name.startswith(_GRPC):
        _require_same_tensorflow(name, _asked(name, found.runtime_version))


def _asked(name: str, ask: Callable):
    """What the Cloud TPU API, or the metadata of this machine, answers."""
    try:
        return ask()
    except Exception as error:  # Google's libraries have a dozen that share no class
        raise _refusal(
            f"The TPU '{name}' was not found: {_first_sentence(error)}. {_CLOUD}; elsewhere give the address of its "
            f"hosts, {_GRPC}HOST:PORT."
        ) from error


def _require_same_tensorflow(name: str, runtime: str | None) -> None:
    """Raises OdtkError if the TPU's hosts run another TensorFlow, by the first two numbers of its version."""
    stated = re.search(r"\d+\.\d+", runtime or "")
    own = ".".join(tf.__version__.split(".")[:2])
    if stated and stated[0] != own:
        raise _refusal(
            f"The hosts of the TPU '{name}' run TensorFlow {runtime}, and this machine {tf.__version__}: they must be "
            f"the same. Create the TPU with the runtime of TensorFlow {own}; or install TensorFlow {stated[0]} here, "
            "and see with `odtk doctor` whether odtk works with it."
        )


def _refusal(text: str) -> OdtkError:
    return OdtkError(text, argument="tpu")


def _first_sentence(error: Exception) -> str:
    lines = (getattr(error, "message", None) or str(error)).splitlines()
    return lines[0].split(". ")[0].rstrip(".") if lines else type(error).__name__
