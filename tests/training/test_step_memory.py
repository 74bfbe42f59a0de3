"""The memory of a step is measured by the process on a CPU, and by TensorFlow's allocator on a GPU."""

import tensorflow as tf

from odtk.hardware import GPU, TPU, Device
from odtk.training import step_memory
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
    monkeypatch.setattr(step_memory, "find_devices", lambda: [Device(TPU, memory=15)])
    memory = build_step_memory()
    assert isinstance(memory, UnknownMemory), "what there is says nothing, if what a step takes is not known"
    assert (memory.limit, memory.peak()) == (None, None)
