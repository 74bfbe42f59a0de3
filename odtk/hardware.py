"""The devices that TensorFlow can compute on, and what they can do."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from odtk import machine
from odtk.native_log import heed_log_level
from odtk.system_errors import in_bytes

CPU, GPU, TPU = "cpu", "gpu", "tpu"
THIS_MACHINE = "/job:localhost/replica:0/task:0/device:CPU:0"
"""The device that is this machine's CPU, also where another machine's is TensorFlow's default. Not of several workers:
there, each has a name of its own."""


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
    """All GPUs that TensorFlow sees; the memory is that of those which are not hidden from it."""
    return with_memory(list_gpus())


def with_memory(devices: Sequence[Device]) -> list[Device]:
    """The devices with the bytes that TensorFlow may use of each; the GPUs are opened for that."""
    opened = _gpu_memory() if any(device.kind == GPU for device in devices) else {}
    available = machine.find_memory().available
    memory = [
        opened.get(each.index) if each.kind == GPU else available if each.kind == CPU else each.memory
        for each in devices
    ]
    return [replace(each, memory=size) for each, size in zip(devices, memory, strict=True)]


def list_gpus() -> list[Device]:
    """All GPUs that TensorFlow sees, without their memory: it cannot be kept off a GPU that it has opened to look."""
    heed_log_level()
    return [_describe_gpu(index, gpu) for index, gpu in enumerate(tf.config.list_physical_devices("GPU"))]


def tensorflows_name(device: Device) -> str:
    """As TensorFlow calls it in this process, where it counts the GPUs that are not hidden: "GPU:0"."""
    if device.kind != GPU:
        return f"{device.kind.upper()}:{device.index}"
    gpu = tf.config.list_physical_devices("GPU")[device.index]
    return f"GPU:{tf.config.get_visible_devices('GPU').index(gpu)}"


def find_tpu_cores() -> list[Device]:
    """The TPU cores that TensorFlow sees: those of this machine, or of a TPU system that is already initialized."""
    cores = tf.config.list_physical_devices("TPU") or (
        tf.config.list_logical_devices("TPU") if _is_connected_to_tpu() else []
    )
    chip = next(iter(machine.find_tpus()), None)
    return [
        Device(TPU, index, chip.model if chip else None, chip.memory if chip else None) for index in range(len(cores))
    ]


def is_on_tpu() -> bool:
    """Whether the strategy in scope is that of a TPU, which compiles all that its replicas run."""
    return isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)


def is_on_remote_tpu() -> bool:
    """Whether it is that of a TPU over the network, whose hosts cannot call this process nor read this disk."""
    if not is_on_tpu():
        return False
    first = tf.DeviceSpec.from_string(tf.distribute.get_strategy().extended.worker_devices[0])
    return first.job != "localhost"


def on_this_machine() -> contextlib.AbstractContextManager:
    """Places what the block computes on this machine's CPU, where a TPU's hosts would otherwise compute it.

    These are TensorFlow's default from when they are connected to on, also outside of the strategy's scope.
    """
    return tf.device(THIS_MACHINE) if is_on_tpu() or _is_connected_to_hosts() else contextlib.nullcontext()


def describe_devices(devices: Sequence[Device]) -> str:
    """`2 x Tesla T4 (14.6 GB each)`, or `CPU AMD EPYC, 2 cores (22.1 GB of memory available)`."""
    kinds = Counter((each.kind, each.model, each.memory) for each in devices)
    return ", ".join(_describe_alike(*kind, number) for kind, number in kinds.items())


def _describe_alike(kind: str, model: str | None, memory: int | None, number: int) -> str:
    if kind == CPU:
        cpu = machine.find_cpu()
        available = f" ({in_bytes(memory)} of memory available)" if memory else ""
        return f"CPU{f' {cpu.model}' if cpu.model else ''}, {machine.counted_cores(cpu.cores)}{available}"
    name = f"{model or kind.upper()}{' core' if kind == TPU else ''}"
    each = f" ({in_bytes(memory)}{' each' * (number > 1)})" if memory else ""
    return f"{f'{number} x ' if number > 1 else ''}{name}{each}"


def _is_connected_to_hosts() -> bool:
    """Whether other machines compute for this process. Only where it is no worker itself, its CPU has no job's name."""
    devices = tf.config.list_logical_devices("CPU") if _is_connected_to_tpu() else []
    jobs = {tf.DeviceSpec.from_string(device.name).job for device in devices}
    return None in jobs and len(jobs) > 1


def _is_connected_to_tpu() -> bool:
    """Whether a TPU system was initialized. Listing logical devices before would fix TensorFlow's settings."""
    from tensorflow.python.eager import context

    return context.context()._initialized


def _describe_gpu(index: int, gpu) -> Device:
    details = tf.config.experimental.get_device_details(gpu)
    return Device(GPU, index, details.get("device_name"), None, details.get("compute_capability"))


def _gpu_memory() -> dict[int, int]:
    """Bytes that TensorFlow may use, by the GPU's number; empty if it does not say.

    TensorFlow decides this when it opens a GPU, so it is opened here, with the same growth as by `prepare_gpus`: of
    several openings in one process the first decides.
    """
    from tensorflow.python.client import device_lib

    physical = tf.config.list_physical_devices("GPU")
    visible = [physical.index(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    if not visible:
        return {}
    config = tf.compat.v1.ConfigProto()
    config.gpu_options.allow_growth = True
    # As in the rest of the process: TensorFlow fails if its GPU 0 is one GPU here and another there.
    config.gpu_options.visible_device_list = ",".join(map(str, visible))
    with contextlib.suppress(tf.errors.OpError, RuntimeError):
        found = device_lib.list_local_devices(config)
        return {
            visible[int(each.name.rsplit(":", 1)[1])]: each.memory_limit for each in found if each.device_type == "GPU"
        }
    return {}
