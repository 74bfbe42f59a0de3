"""The devices that TensorFlow can compute on, and what they can do."""

import contextlib
from dataclasses import dataclass

import tensorflow as tf

from odtk import machine

CPU, GPU, TPU = "cpu", "gpu", "tpu"


@dataclass(frozen=True)
class Device:
    """One CPU, GPU or TPU core."""

    kind: str
    """CPU, GPU or TPU."""
    index: int = 0
    model: str | None = None
    """As its maker calls it: "Tesla T4"."""
    memory: int | None = None
    """Bytes that TensorFlow may use; None if unknown."""
    compute_capability: tuple[int, int] | None = None
    """Of a GPU: (7, 5) is Turing, (8, 0) Ampere."""

    @property
    def name(self) -> str:
        """As --devices takes it: "gpu:0"."""
        return f"{self.kind}:{self.index}"


def find_devices() -> list[Device]:
    """All GPUs, or all TPU cores of this machine, or the CPU if there is neither."""
    return find_gpus() or find_tpu_cores() or [find_cpu()]


def find_cpu() -> Device:
    """The CPU, with the memory that is available now."""
    return Device(CPU, 0, machine.find_cpu().model, machine.find_memory().available)


def find_gpus() -> list[Device]:
    """All GPUs that TensorFlow sees."""
    gpus = tf.config.list_physical_devices("GPU")
    memory = _gpu_memory() if gpus else {}
    return [_describe_gpu(index, gpu, memory.get(index)) for index, gpu in enumerate(gpus)]


def find_tpu_cores() -> list[Device]:
    """The TPU cores that TensorFlow sees: those of this machine, or of a TPU system that is already initialized."""
    cores = tf.config.list_physical_devices("TPU") or (
        tf.config.list_logical_devices("TPU") if _is_connected_to_tpu() else []
    )
    chip = next(iter(machine.find_tpus()), None)
    return [
        Device(TPU, index, chip.model if chip else None, chip.memory if chip else None) for index in range(len(cores))
    ]


def _is_connected_to_tpu() -> bool:
    """Whether a TPU system was initialized. Listing logical devices before would fix TensorFlow's settings."""
    from tensorflow.python.eager import context

    return context.context()._initialized


def _describe_gpu(index: int, gpu, memory: int | None) -> Device:
    details = tf.config.experimental.get_device_details(gpu)
    return Device(GPU, index, details.get("device_name"), memory, details.get("compute_capability"))


def _gpu_memory() -> dict[int, int]:
    """Bytes that TensorFlow may use, by the GPU's number; empty if it does not say.

    TensorFlow decides this when it opens a GPU, so it is opened here, with the same growth as by `prepare_gpus`: of
    several openings in one process the first decides.
    """
    from tensorflow.python.client import device_lib

    config = tf.compat.v1.ConfigProto()
    config.gpu_options.allow_growth = True
    with contextlib.suppress(tf.errors.OpError, RuntimeError):
        found = device_lib.list_local_devices(config)
        return {int(each.name.rsplit(":", 1)[1]): each.memory_limit for each in found if each.device_type == "GPU"}
    return {}
