"""The machine that a project is made for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from odtk import machine

if TYPE_CHECKING:
    from odtk.hardware import Device

CPU, GPU, TPU = "cpu", "gpu", "tpu"


@dataclass(frozen=True)
class MachineFacts:
    """What training would run on; only what does not change from hour to hour, so that a choice can be repeated."""

    cores: float = 2
    processor: str | None = None
    memory: int | None = None
    """Bytes of main memory, in total; None if unknown."""
    kind: str = CPU
    """Of the devices: CPU, GPU or TPU."""
    devices: int = 1
    model: str | None = None
    """Of a GPU or TPU."""
    device_memory: int | None = None
    """Bytes of one device; None if unknown."""
    has_unused_gpu: bool = False
    """Whether there is a GPU that TensorFlow does not see."""

    @property
    def in_words(self) -> str:
        """`2 CPU cores (AMD EPYC) and 8 GB of memory`, or `one Tesla T4 with 15 GB`."""
        if self.kind == CPU:
            name = f" ({self.processor})" if self.processor else ""
            memory = f" and {_gigabytes(self.memory)} of memory" if self.memory else ""
            return f"{self.cores:g} CPU core{'s' * (self.cores != 1)}{name}{memory}"
        number = "one" if self.devices == 1 else str(self.devices)
        name = self.model or self.kind.upper()
        memory = f" with {_gigabytes(self.device_memory)}" if self.device_memory else ""
        return f"{number} {name}{memory}{' each' * (self.devices > 1 and bool(memory))}"


def find_machine_facts(
    root: Path = machine.ROOT, find_devices: Callable[[], Sequence[Device]] | None = None
) -> MachineFacts:
    """This machine. TensorFlow is imported only if there may be an accelerator, to ask whether it uses it."""
    cpu, memory = machine.find_cpu(root), machine.find_memory(root)
    plain = MachineFacts(cores=cpu.cores, processor=cpu.model, memory=memory.total)
    has_gpu = bool(machine.nvidia_driver(root)) or (root / "dev/dxg").exists()
    if not (has_gpu or machine.find_tpus(root)):
        return replace(plain, has_unused_gpu=machine.count_nvidia_on_pci(root) > 0)
    devices = (find_devices or _tensorflows_devices)()
    if devices[0].kind == CPU:
        return replace(plain, has_unused_gpu=has_gpu)
    first = devices[0]
    memory_of_one = _whole_gigabytes(first.memory)
    return replace(plain, kind=first.kind, devices=len(devices), model=first.model, device_memory=memory_of_one)


def _tensorflows_devices() -> Sequence[Device]:
    from odtk.hardware import find_devices

    return find_devices()


def _whole_gigabytes(memory: int | None) -> int | None:
    """Rounded: what TensorFlow may use of a GPU depends on what others use at the time."""
    return memory and round(memory / 10**9) * 10**9


def _gigabytes(memory: int | None) -> str:
    return f"{(memory or 0) / 10**9:.0f} GB"
