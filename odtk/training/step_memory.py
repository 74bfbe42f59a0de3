"""How much memory a step takes, and how much there is: of GPUs by TensorFlow's allocators, of a CPU by the process."""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import tensorflow as tf

from odtk import machine
from odtk.hardware import GPU, TPU, Device, tensorflows_name


class StepMemory(Protocol):
    """Measures the peak of the memory on the devices that compute the step."""

    limit: int | None
    """Bytes that there are on each device; None if unknown."""
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
    """What TensorFlow's allocators of GPUs have given out: of that with the most, where that with the least decides.

    All replicas have equal parts of a batch, so it must fit on each.
    """

    may_fail = True

    def __init__(self, devices: Sequence[Device]):
        self._names = [tensorflows_name(device) for device in devices]
        known = [device.memory for device in devices if device.memory is not None]
        self.limit: int | None = min(known) if len(known) == len(devices) else None

    def reset(self) -> None:
        """See StepMemory."""
        for name in self._names:
            tf.config.experimental.reset_memory_stats(name)

    def peak(self) -> int | None:
        """See StepMemory."""
        return max(tf.config.experimental.get_memory_info(name)["peak"] for name in self._names)


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


def build_step_memory(devices: Sequence[Device]) -> StepMemory:
    """Of the devices that compute a run's steps, which are all of one kind, with their memory."""
    kinds = {device.kind for device in devices}
    if GPU in kinds:
        return GpuMemory(devices)
    return UnknownMemory() if TPU in kinds else ProcessMemory()
