"""What TensorFlow says of its devices, drawn: there is neither GPU nor TPU where the tests run."""

from types import SimpleNamespace
from unittest.mock import patch

import pytest
import tensorflow as tf
from tensorflow.python.client import device_lib

from odtk import hardware, machine


@pytest.fixture
def lists(monkeypatch):
    """Physical devices by kind."""
    lists = {}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: lists.get(kind, []))
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: lists.get("visible", lists.get(kind, [])))
    return lists


def test_cpu(lists, monkeypatch):
    monkeypatch.setattr(machine, "find_cpu", lambda: machine.Cpu("AMD EPYC", 2.0, ()))
    monkeypatch.setattr(machine, "find_memory", lambda: machine.Memory(8, 7, 0, False))
    monkeypatch.setattr(hardware, "_is_connected_to_tpu", lambda: False)
    assert hardware.find_devices() == [hardware.Device("cpu", 0, "AMD EPYC", 7)]


def test_gpus(lists, monkeypatch):
    lists["GPU"] = [SimpleNamespace(number=0), SimpleNamespace(number=1)]
    details = {0: {"device_name": "Tesla T4", "compute_capability": (7, 5)}, 1: {}}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details[gpu.number])
    monkeypatch.setattr(
        device_lib,
        "list_local_devices",
        lambda config: [
            SimpleNamespace(name="/device:CPU:0", device_type="CPU", memory_limit=1),
            SimpleNamespace(name="/device:GPU:0", device_type="GPU", memory_limit=14_000_000_000),
        ],
    )
    first, second = hardware.find_devices()
    assert first == hardware.Device("gpu", 0, "Tesla T4", 14_000_000_000, (7, 5))
    assert second == hardware.Device("gpu", 1)
    assert second.name == "gpu:1"


def test_the_memory_is_asked_of_gpus_that_are_not_hidden(lists, monkeypatch):
    """TensorFlow counts the visible ones alone, here and in the rest of the process."""
    lists["GPU"] = [SimpleNamespace(number=0), SimpleNamespace(number=1)]
    lists["visible"] = lists["GPU"][1:]
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {})

    def only_the_visible(config):
        assert config.gpu_options.visible_device_list == "1"
        return [SimpleNamespace(name="/device:GPU:0", device_type="GPU", memory_limit=5)]

    monkeypatch.setattr(device_lib, "list_local_devices", only_the_visible)
    assert [gpu.memory for gpu in hardware.find_gpus()] == [None, 5]
    lists["visible"] = []  # as with --devices cpu: none may be opened
    assert [gpu.memory for gpu in hardware.find_gpus()] == [None, None]


def test_memory_that_tensorflow_does_not_tell(lists, monkeypatch):
    def fail(config):
        raise tf.errors.InternalError(None, None, "the GPU is used by another process")

    monkeypatch.setattr(device_lib, "list_local_devices", fail)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {})
    lists["GPU"] = [SimpleNamespace(number=0)]
    assert hardware.find_devices() == [hardware.Device("gpu", 0)]


def test_tpu_cores(lists, monkeypatch):
    monkeypatch.setattr(machine, "find_tpus", lambda: [machine.Accelerator("TPU v5e", 16 * 2**30)])
    lists["TPU"] = [object(), object()]
    assert [(each.name, each.model, each.memory) for each in hardware.find_devices()] == [
        ("tpu:0", "TPU v5e", 16 * 2**30),
        ("tpu:1", "TPU v5e", 16 * 2**30),
    ]


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([hardware.Device("cpu")], "CPU AMD EPYC, 1.5 cores"),
        ([hardware.Device("cpu", memory=22_500_000_000)], "CPU AMD EPYC, 1.5 cores (22.5 GB of memory available)"),
        ([hardware.Device("gpu", n, "Tesla T4", 14_600_000_000) for n in (0, 1)], "2 x Tesla T4 (14.6 GB each)"),
        ([hardware.Device("gpu", 0, "A100"), hardware.Device("gpu", 1, "T4")], "A100, T4"),
        ([hardware.Device("tpu", 0, "TPU v5e", 17_179_869_184)], "TPU v5e core (17.2 GB)"),
        ([hardware.Device("tpu")], "TPU core"),
    ],
)
def test_a_sentence_on_devices(devices, said, monkeypatch):
    monkeypatch.setattr(machine, "find_cpu", lambda: machine.Cpu("AMD EPYC", 1.5, ()))
    assert hardware.describe_devices(devices) == said


def test_memory_of_devices_that_are_not_gpus(monkeypatch):
    monkeypatch.setattr(machine, "find_memory", lambda: machine.Memory(8, 7, 0, False))
    cpu, tpu = hardware.Device("cpu"), hardware.Device("tpu", 0, "TPU v5e", 16)
    assert [each.memory for each in hardware.with_memory([cpu, tpu])] == [7, 16]


def test_where_the_hosts_of_a_tpu_are(monkeypatch):
    """On this machine, or reached over the network: then what Python is called from has to be placed here."""
    assert not hardware.is_on_remote_tpu()
    assert not hardware.is_on_tpu()
    monkeypatch.setattr(hardware, "is_on_tpu", lambda: True)
    for job, is_remote in (("localhost", False), ("worker", True)):
        core = f"/job:{job}/replica:0/task:0/device:TPU:0"
        cores = SimpleNamespace(extended=SimpleNamespace(worker_devices=(core,)))
        with patch.object(tf.distribute, "get_strategy", return_value=cores):
            assert hardware.is_on_remote_tpu() == is_remote
    with hardware.on_this_machine():
        assert tf.constant(1).device == hardware.THIS_MACHINE


@pytest.mark.parametrize(
    ("places", "is_placed"),
    [([""], False), (["", "/job:worker/replica:0/task:0"], True), ([f"/job:worker/task:{i}" for i in (0, 1)], False)],
)
def test_hosts_are_the_default_outside_of_a_scope_too(places, is_placed, monkeypatch):
    tf.constant(1)
    cpus = [SimpleNamespace(name=f"{place}/device:CPU:0") for place in places]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: cpus)
    with tf.Graph().as_default(), hardware.on_this_machine():
        assert (tf.constant(1).device == hardware.THIS_MACHINE) == is_placed
