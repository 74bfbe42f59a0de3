"""Machines drawn as files: what /proc, /sys and cgroups say of processor, memory, driver and PCI."""

import os

import pytest

from odtk import machine

CPUINFO = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512_bf16 fsrm\n"
MEMINFO = "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nSwapTotal:        1024 kB\n"


@pytest.fixture
def draw(tmp_path):
    def draw(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return draw


def test_cpu(draw, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    root = draw({"proc/cpuinfo": CPUINFO})
    assert machine.find_cpu(root) == machine.Cpu("AMD EPYC", 4.0, ("avx2", "avx512f", "avx512_bf16"))


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"},
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
    ids=["version 2", "version 1, of the host"],
)
def test_quota_of_a_container(draw, monkeypatch, files):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert machine.find_cpu(draw(files)).cores == 1.5


def test_how_many_gpus_there_can_be(draw):
    assert machine.most_gpus(draw({})) is None, "no bus, no telling"
    assert machine.most_gpus(draw({"sys/bus/pci/rescan": ""})) == 0
    draw({"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": ""})
    assert (
        machine.most_gpus(draw({"sys/bus/pci/devices/a/vendor": "0x10de", "sys/bus/pci/devices/a/class": "0x0300"}))
        == 2
    )
    assert machine.most_gpus(draw({"dev/dxg": ""})) is None


def test_a_driver_without_a_gpu_in_sight_says_nothing_of_their_number(draw):
    root = draw({"sys/bus/pci/rescan": "", "proc/driver/nvidia/version": "NVRM version: x  580.65.06 \n"})
    assert machine.most_gpus(root) is None


def test_memory_without_a_limit(draw):
    root = draw({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"})
    assert machine.find_memory(root) == machine.Memory(2**24, 2**23, 2**20, False)


@pytest.mark.parametrize("version", [1, 2])
def test_memory_of_a_container(draw, version):
    folder = "sys/fs/cgroup/memory/job" if version == 1 else "sys/fs/cgroup/job"
    limit, used, cgroup = (
        ("limit_in_bytes", "usage_in_bytes", "4:memory:/job/step\n")
        if version == 1
        else ("max", "current", "0::/job/step\n")
    )
    root = draw(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": cgroup,
            f"{folder}/memory.{limit}": f"{2**22}\n",  # of the cgroup above
            f"{folder}/memory.{used}": f"{2**21}\n",
            f"{folder}/memory.stat": f"active_file 7\ninactive_file {2**20}\n",
        }
    )
    assert machine.find_memory(root) == machine.Memory(2**22, 2**22 - 2**20, 2**20, True)


def test_a_machine_that_says_nothing(tmp_path):
    assert machine.find_cpu(tmp_path).model is None
    assert machine.find_memory(tmp_path) == machine.Memory(None, None, 0, False)
    assert machine.nvidia_driver(tmp_path) is None
    assert machine.count_nvidia_on_pci(tmp_path) == 0
    assert machine.find_tpus(tmp_path) == []


def _pci(**devices):
    return {
        f"sys/bus/pci/devices/0000:00:{slot}/{name}": f"{value}\n"
        for slot, values in devices.items()
        for name, value in zip(("vendor", "device", "class"), values, strict=True)
    }


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12.2\n",
        "NVRM version: UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs)\nGCC version: 12.2\n",
    ],
)
def test_nvidia(draw, line):
    audio = ("0x10de", "0x10f8", "0x040300")
    root = draw(
        {"proc/driver/nvidia/version": line, **_pci(a=("0x10de", "0x1eb8", "0x030200"), b=audio)},
    )
    assert machine.nvidia_driver(root) == "550.54.15"
    assert machine.count_nvidia_on_pci(root) == 1


def test_tpu(draw):
    network = ("0x1ae0", "0x0042", "0x020000")  # Google's network adapter
    root = draw(_pci(a=("0x1ae0", "0x0063", "0x120000"), b=network))
    assert machine.find_tpus(root) == [machine.Accelerator("TPU v5e", 16 * 2**30)]
