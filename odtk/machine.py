"""This machine as the operating system shows it, before TensorFlow is imported: processor, memory, accelerators on PCI.

Each function takes the `root` of the file system, so that a test can draw another machine.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
_NVIDIA, _GOOGLE = "0x10de", "0x1ae0"
_DISPLAYS = ("0x03", "0x12")  # PCI classes: displays, and processing accelerators
# Google's devices by PCI number: generation, and bytes of memory of one of TensorFlow's cores. v3 has the number of v2,
# and twice its memory.
_TPUS = {
    "0x0027": ("TPU v2 or v3", 8 * 2**30),
    "0x005e": ("TPU v4", 32 * 2**30),
    "0x0062": ("TPU v5p", 95 * 2**30),
    "0x0063": ("TPU v5e", 16 * 2**30),
    "0x006f": ("TPU v6e", 32 * 2**30),
}


@dataclass(frozen=True)
class Cpu:
    """The processor, and what this process may use of it."""

    model: str | None
    cores: float
    """That this process may use: of its affinity and of its cgroup's quota, which may be a part of a core."""
    features: tuple[str, ...]
    """Of the instruction sets that matter here, those it has: "avx512_bf16"."""


@dataclass(frozen=True)
class Memory:
    """Main memory in bytes; what is not known is None."""

    total: int | None
    """Of the machine, or of the container if that has less."""
    available: int | None
    """What a process may still take without swapping."""
    swap: int
    is_limited: bool
    """Whether `total` is the limit of a cgroup (a container, a batch system)."""


@dataclass(frozen=True)
class Accelerator:
    """A TPU chip on the machine's PCI bus."""

    model: str
    memory: int | None
    """Bytes of one core."""


def find_cpu(root: Path = ROOT) -> Cpu:
    """The processor of this machine."""
    text = _read(root / "proc/cpuinfo") or ""
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return Cpu(
        model[1].strip() if model else None, _usable_cores(root), tuple(name for name in _FLAGS if name in known)
    )


def find_memory(root: Path = ROOT) -> Memory:
    """Main memory of this machine, or of the container that this process runs in."""
    found = {
        name: int(kilobytes) * 1024
        for name, kilobytes in re.findall(r"^(\w+):\s+(\d+) kB", _read(root / "proc/meminfo") or "", re.MULTILINE)
    }
    total, available = found.get("MemTotal"), found.get("MemAvailable")
    limited = _cgroup_memory(root)
    is_limited = limited is not None and (total is None or limited[0] < total)
    if limited is not None and is_limited:
        total, rest = limited[0], max(0, limited[0] - limited[1])
        available = rest if available is None else min(available, rest)
    return Memory(total, available, found.get("SwapTotal", 0), is_limited)


def nvidia_driver(root: Path = ROOT) -> str | None:
    """The version of NVIDIA's driver that the kernel has loaded; None without one."""
    found = re.search(r"\s(\d+(?:\.\d+)+)\s", _read(root / "proc/driver/nvidia/version") or "")
    return found[1] if found else None


def count_nvidia_on_pci(root: Path = ROOT) -> int:
    """How many NVIDIA GPUs are on the PCI bus, with a driver or without."""
    return sum(kind.startswith(_DISPLAYS) for vendor, _, kind in _pci_devices(root) if vendor == _NVIDIA)


def most_gpus(root: Path = ROOT) -> int | None:
    """How many GPUs TensorFlow can find at most; None if there is no telling: WSL, other makers, no view of the bus."""
    if (root / "dev/dxg").exists() or (root / "dev/kfd").exists() or not (root / "sys/bus/pci").is_dir():
        return None
    nodes = [path for path in (root / "dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    count = max(len(nodes), count_nvidia_on_pci(root))
    return None if count == 0 and nvidia_driver(root) else count


def find_tpus(root: Path = ROOT) -> list[Accelerator]:
    """The TPU chips of this machine; a TPU that is reached through a network is none of them."""
    return [
        Accelerator(*_TPUS[number]) for vendor, number, _ in _pci_devices(root) if vendor == _GOOGLE and number in _TPUS
    ]


def counted_cores(cores: float) -> str:
    """`1 core`, `2 cores`, `1.5 cores`."""
    return f"{cores:g} core{'s' * (cores != 1)}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _pci_devices(root: Path) -> list[tuple[str, str, str]]:
    """Vendor, device and class, as hexadecimal numbers."""
    folders = sorted((root / "sys/bus/pci/devices").glob("*"))
    return [(*((_read(folder / name) or "").strip() for name in ("vendor", "device", "class")),) for folder in folders]  # type: ignore[misc]


def _usable_cores(root: Path) -> float:
    try:
        cores = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        cores = float(os.cpu_count() or 1)
    for folder in _cgroup_folders(root, "cpu"):
        quota, period = _cpu_quota(folder)
        if quota > 0 and period > 0:
            cores = min(cores, quota / period)
    return cores


def _cpu_quota(folder: Path) -> tuple[int, int]:
    """Microseconds of processor time in each period; the first is -1 without a limit."""
    newer = (_read(folder / "cpu.max") or "").split()
    words = newer if len(newer) == 2 else [_read(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    quota, period = (_whole(word) for word in words)
    return (-1, -1) if quota is None or period is None else (quota, period)


def _cgroup_memory(root: Path) -> tuple[int, int] | None:
    """Limit and use of the cgroup with the least rest; None without a limit."""
    found = []
    for folder in _cgroup_folders(root, "memory"):
        limit = _whole(_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes") or "")
        used = _whole(_read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes") or "") or 0
        # The kernel gives up its copies of files when a process needs the memory.
        files = re.search(r"^(?:total_)?inactive_file (\d+)$", _read(folder / "memory.stat") or "", re.MULTILINE)
        if limit is not None:
            found.append((limit, max(0, used - int(files[1]) if files else used)))
    return min(found, key=lambda each: each[0] - each[1], default=None)


def _cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The folders of this process's cgroup and of all above it, of either version of cgroups.

    In a container the path may be the host's, of which only the root is to be seen.
    """
    folders = []
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        base = root / "sys/fs/cgroup" / (controller if names else "")
        inside = Path(path.lstrip("/"))
        folders += [base / each for each in (inside, *inside.parents)]
    return list(dict.fromkeys(folders))


def _whole(text: str) -> int | None:
    """The number; None for "max", and for what is no number."""
    word = text.strip()
    return int(word) if word.lstrip("-").isdigit() else None
