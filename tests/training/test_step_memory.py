"""The memory of a step is measured by the process on a CPU, and by TensorFlow's allocator on a GPU."""

from types import SimpleNamespace

import tensorflow as tf

from odtk.hardware import CPU, GPU, TPU, Device
from odtk.training.step_memory import GpuMemory, ProcessMemory, UnknownMemory, build_step_memory

KB = 1024


def test_a_process_may_grow_by_what_is_available(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemAvailable:  900 kB\n")
    (tmp_path / "proc/self/status").write_text("VmHWM:  300 kB\nVmRSS:  200 kB\n")
    memory = ProcessMemory(tmp_path)
    memory.reset()
    assert (memory.limit, memory.peak(), memory.may_fail) == (1100 * KB, 300 * KB, False)
    nowhere = ProcessMemory(tmp_path / "none")
    nowhere.reset()
    assert (nowhere.limit, nowhere.peak()) == (None, None)


def test_the_peak_of_this_process_is_measured_from_the_reset_on():
    memory = build_step_memory([Device(CPU, 0), Device(CPU, 1)])
    assert isinstance(memory, ProcessMemory)
    memory.reset()
    before = memory.peak()
    held = bytearray(b"x") * 200_000_000
    assert memory.peak() - before > 0.9 * len(held)
    assert memory.peak() < memory.limit


def test_gpus_in_use_are_asked_by_their_names_in_tensorflow(monkeypatch):
    """The one with the least memory decides, and the one with the most in use; hidden ones have no name."""
    gpus, asked = [SimpleNamespace(number=number) for number in range(3)], []
    peaks = {"GPU:0": 5, "GPU:1": 7}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [gpus[2], gpus[1]])
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", asked.append)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": 1, "peak": peaks[name]})
    memory = build_step_memory([Device(GPU, 2, memory=15), Device(GPU, 1, memory=14)])
    memory.reset()
    assert isinstance(memory, GpuMemory)
    assert (memory.limit, memory.peak(), asked) == (14, 7, ["GPU:0", "GPU:1"])
    one = build_step_memory([Device(GPU, 2, memory=15)])
    assert (one.limit, one.peak()) == (15, 5)
    assert build_step_memory([Device(GPU, 2), Device(GPU, 1, memory=14)]).limit is None


def test_what_a_tpu_needs_is_not_known():
    """And what it has says nothing then."""
    memory = build_step_memory([Device(TPU, memory=15)])
    assert isinstance(memory, UnknownMemory)
    assert (memory.limit, memory.peak()) == (None, None)
