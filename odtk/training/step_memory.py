"""How much memory a step takes, and how much there is: of a GPU by TensorFlow's allocator, of a CPU by the process."""

import contextlib
import re
from pathlib import Path
from typing import Protocol

import tensorflow as tf

from odtk import machine
from odtk.hardware import CPU, GPU, Device, find_devices


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

    def __init__(self, device: Device):
        self._name = f"GPU:{device.index}"
        self.limit: int | None = device.memory

    def reset(self) -> None:
        """See StepMemory."""
        tf.config.experimental.reset_memory_stats(self._name)

    def peak(self) -> int | None:
        """See StepMemory."""
        return tf.config.experimental.get_memory_info(self._name)["peak"]


class ProcessMemory:
    """What Linux counts as resident of this process, which the kernel kills when there is no more."""

    may_fail = False

    def __init__(self, root: Path = machine.ROOT):
        """`root`: of the file system, for tests."""
        self._process = root / "proc/self"
        resident, free = self._bytes("VmRSS"), machine.find_memory(root).available
        self.limit: int | None = None if resident is None or free is None else resident + free

    def reset(self) -> None:
        """See StepMemory."""
        with contextlib.suppress(OSError):  # without it the peak is the process's, which only grows
            (self._process / "clear_refs").write_text("5")

    def peak(self) -> int | None:
        """See StepMemory."""
        return self._bytes("VmHWM")

    def _bytes(self, name: str) -> int | None:
        with contextlib.suppress(OSError):
            found = re.search(rf"{name}:\s+(\d+) kB", (self._process / "status").read_text())
            return int(found[1]) * 1024 if found else None
        return None


def build_step_memory() -> StepMemory:
    """Of the devices that TensorFlow computes on, which are all of one kind: of the first."""
    device = find_devices()[0]
    if device.kind == CPU:
        return ProcessMemory()
    return GpuMemory(device) if device.kind == GPU else UnknownMemory()
