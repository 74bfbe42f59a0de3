"""The memory of a CPU is the machine's and the container's; of a GPU, what TensorFlow's allocator says."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from odtk.hardware import GPU, Device
from odtk.training import step_memory
from odtk.training.step_memory import GpuMemory, ProcessMemory, UnknownMemory, available_memory, build_step_memory

KB = 1024


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_of_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 900 * KB),
        ({"memory_of_max": "max\n", "memory_of_current": "5\n"}, 900 * KB),
        ({"memory_of_max": "700\n", "memory_of_current": "500\n"}, 200),
        ({"memory_of_max": "700\n", "memory_of_current": "500\n", "memory_of_stat": "anon 7\ninactive_file 90\n"}, 290),
        ({"memory__memory_of_limit_in_bytes": "700\n", "memory__memory_of_usage_in_bytes": "800\n"}, 0),
    ],
)
def test_a_container_limits_what_the_machine_has(tmp_path, files, free):
    write(tmp_path / "proc", meminfo="MemTotal: 2000 kB\nMemAvailable:  900 kB\n")
    (tmp_path / "cgroup").mkdir()
    write(tmp_path / "cgroup", **files)
    assert available_memory(tmp_path / "proc", tmp_path / "cgroup") == free


def test_a_process_may_grow_by_what_is_available(tmp_path):
    write(tmp_path / "proc", meminfo="MemAvailable:  900 kB\n", self__status="VmHWM:  300 kB\nVmRSS:  200 kB\n")
    memory = ProcessMemory(tmp_path / "proc", tmp_path)
    memory.reset()
    assert (memory.limit, memory.peak(), memory.may_fail) == (1100 * KB, 300 * KB, False)
    nowhere = ProcessMemory(tmp_path / "none", tmp_path)
    nowhere.reset()
    assert (nowhere.limit, nowhere.peak()) == (None, None)


def test_the_peak_of_this_process_is_measured_from_the_reset_on():
    memory = build_step_memory()
    assert isinstance(memory, ProcessMemory)
    memory.reset()
    before = memory.peak()
    held = bytearray(b"x") * 200_000_000
    assert memory.peak() - before > 0.9 * len(held)
    assert memory.peak() < memory.limit


def test_a_gpu_and_a_tpu_are_asked_through_tensorflow(monkeypatch):
    asked = []
    monkeypatch.setattr(step_memory, "find_devices", lambda: [Device(GPU, memory=15)])
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", asked.append)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": 1, "peak": 7})
    memory = build_step_memory()
    memory.reset()
    assert isinstance(memory, GpuMemory)
    assert (memory.limit, memory.peak(), asked) == (15, 7, ["GPU:0"])
    monkeypatch.setattr(step_memory, "find_devices", lambda: [Device("tpu")])
    memory = build_step_memory()
    assert isinstance(memory, UnknownMemory)
    assert (memory.limit, memory.peak()) == (None, None)


def test_the_limit_of_a_gpu_is_its_device_in_tensorflow(monkeypatch):
    found = [SimpleNamespace(name=f"/device:{name}:0", memory_limit=limit) for name, limit in (("CPU", 3), ("GPU", 14))]
    monkeypatch.setattr(step_memory, "find_devices", lambda: [Device(GPU)])
    monkeypatch.setattr(step_memory.device_lib, "list_local_devices", lambda config: found)
    assert GpuMemory().limit == 14
