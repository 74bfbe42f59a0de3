"""The computer: processor and memory."""

import platform
from pathlib import Path

from odtk import machine
from odtk.findings import WARNING, Finding
from odtk.system_errors import in_bytes
from odtk.tools.doctor.part import Part

_LITTLE_MEMORY = 3 * 10**9  # bytes: what a training at 640x640 with batch 2 takes on a CPU


def check_computer(root: Path = machine.ROOT) -> Part:
    """Facts, and a finding if there is little memory."""
    cpu, memory = machine.find_cpu(root), machine.find_memory(root)
    facts = {
        "system": platform.platform(),
        "processor": f"{cpu.model or platform.machine()}, {machine.counted_cores(cpu.cores)}",
        "instructions": ", ".join(cpu.features) or "not known",
        "memory": _bytes(memory.total) + (" (limit of the container)" if memory.is_limited else ""),
        "available": _bytes(memory.available),
        "swap": in_bytes(memory.swap) if memory.swap else "none",
    }
    findings = []
    if memory.available is not None and memory.available < _LITTLE_MEMORY:
        findings.append(
            Finding(
                WARNING,
                f"{in_bytes(memory.available)} of memory are available; a training at 640x640 takes about "
                f"{in_bytes(_LITTLE_MEMORY)} beside that of the device.",
                kind="little-memory",
                fix="Close other programs, give the container more, or take a smaller batch: `odtk train ... "
                "--batch-size auto`.",
            )
        )
    return Part("Computer", facts, findings)


def _bytes(count: int | None) -> str:
    return "not known" if count is None else in_bytes(count)
