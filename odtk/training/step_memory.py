"""How much memory a step takes, and how much there is: of a GPU by TensorFlow's allocator, of a CPU by the process."""

import contextlib
import re
from pathlib import Path
from typing import Protocol

import tensorflow as tf
from tensorflow.python.client import device_lib

from odtk.hardware import CPU, GPU, find_devices

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


class StepMemory(Protocol):
    """Measures the peak of the memory on one device."""

    limit: int | None
    """Bytes that there are; None if unknown."""
    may_fail: bool
    """Whether a step that needs more raises an error, instead of ending the process."""

    def reset(self) -> None:
        """The peak is from now on."""

    def peak(self) -> int | None:
        """Bytes since `reset`; None if unknown."""


class UnknownMemory:
    """Of a device that does not report it, such as a TPU."""

    limit: int | None = None
    may_fail = True

    def reset(self) -> None:
        """See StepMemory."""

    def peak(self) -> int | None:
        """See StepMemory."""
        return None


class GpuMemory:
    """What TensorFlow's allocator of a GPU has given out."""

    may_fail = True

    def __init__(self, index: int = 0):
        self._device = f"GPU:{index}"
        self.limit: int | None = _gpu_limit(index)

    def reset(self) -> None:
        """See StepMemory."""
        tf.config.experimental.reset_memory_stats(self._device)

    def peak(self) -> int | None:
        """See StepMemory."""
        return tf.config.experimental.get_memory_info(self._device)["peak"]


class ProcessMemory:
    """What Linux counts as resident of this process, which the kernel kills when there is no more."""

    may_fail = False

    def __init__(self, proc: Path = _PROC, cgroup: Path = _CGROUP):
        self._proc = proc / "self"
        resident, free = self._kilobytes("VmRSS"), available_memory(proc, cgroup)
        self.limit: int | None = None if resident is None or free is None else resident + free

    def reset(self) -> None:
        """See StepMemory."""
        with contextlib.suppress(OSError):  # without it the peak is the process's, which only grows
            (self._proc / "clear_refs").write_text("5")

    def peak(self) -> int | None:
        """See StepMemory."""
        return self._kilobytes("VmHWM")

    def _kilobytes(self, name: str) -> int | None:
        return _field(self._proc / "status", rf"{name}:\s+(\d+) kB", 1024)


def build_step_memory() -> StepMemory:
    """Of the devices that TensorFlow computes on, which are all of one kind: of the first."""
    kind = find_devices()[0].kind
    if kind == CPU:
        return ProcessMemory()
    return GpuMemory() if kind == GPU else UnknownMemory()


def available_memory(proc: Path = _PROC, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that this process may still take: of the machine, and of the container that it runs in; None if unknown."""
    free = [_field(proc / "meminfo", r"MemAvailable:\s+(\d+) kB", 1024)]
    for limit, used, cache in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        most, now = (_field(cgroup / name, r"^(\d+)$") for name in (limit, used))
        if most is not None and now is not None:
            # The kernel drops cached files before it kills.
            files = _field(cgroup / cache, r"(?m)^(?:total_)?inactive_file (\d+)$") or 0
            free.append(max(most - now + files, 0))
    return min((each for each in free if each is not None), default=None)


def _gpu_limit(index: int) -> int | None:
    known = find_devices()[index].memory
    if known is not None:
        return known
    # The devices exist already; asking for them again must not take their memory.
    growing = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(allow_growth=True))
    found = [each for each in device_lib.list_local_devices(growing) if each.name.endswith(f"/device:GPU:{index}")]
    return found[0].memory_limit if found else None


def _field(file: Path, pattern: str, unit: int = 1) -> int | None:
    with contextlib.suppress(OSError):
        found = re.search(pattern, file.read_text().strip())
        return int(found[1]) * unit if found else None
    return None
