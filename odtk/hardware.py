"""The devices that TensorFlow can compute on, and what they can do."""

from dataclasses import dataclass

import tensorflow as tf

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
    gpus = tf.config.list_physical_devices("GPU")
    return [_describe_gpu(index, gpu) for index, gpu in enumerate(gpus)] or [Device(CPU)]


def _describe_gpu(index: int, gpu) -> Device:
    details = tf.config.experimental.get_device_details(gpu)
    return Device(GPU, index, details.get("device_name"), None, details.get("compute_capability"))
