from types import SimpleNamespace

import pytest
import tensorflow as tf

from odtk import device_choice, hardware
from odtk.device_choice import choose_devices, find_chosen, use_one, use_only
from odtk.errors import OdtkError
from odtk.hardware import CPU, GPU, Device
from odtk.training import strategy as strategies

GPUS = [Device(GPU, 0, "Tesla T4"), Device(GPU, 1, "Tesla T4"), Device(GPU, 2)]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("auto", "gpu:0 gpu:1 gpu:2"),
        ("all", "gpu:0 gpu:1 gpu:2"),
        ("cpu", "cpu:0"),
        ("gpu", "gpu:0"),
        ("GPU:2", "gpu:2"),
        ("gpu:2, 0", "gpu:2 gpu:0"),
        ("gpu:0,gpu:1", "gpu:0 gpu:1"),
        ("1", "gpu:1"),
        ("cpu:0,1", "cpu:0 cpu:1"),
    ],
)
def test_words_for_devices(word, names):
    assert " ".join(device.name for device in choose_devices(word, GPUS, num_cpus=2)) == names


def test_without_a_gpu_auto_is_the_cpu():
    assert choose_devices("auto", [Device(CPU)]) == [Device(CPU)]


@pytest.mark.parametrize(
    ("word", "found", "told"),
    [
        ("gpu:1,3,5", GPUS, "gpu:3 and gpu:5 were not found. This machine has, as far as TensorFlow sees: gpu:0 (Tes"),
        ("gpu", [Device(CPU)], "gpu:0 was not found. This machine has, as far as TensorFlow sees: cpu:0."),
        ("all", [Device(CPU)], "no GPU was found.*Use auto"),
        ("cpu:1", GPUS, "cpu:1 was not found"),
        ("gpu:1,01", GPUS, "twice"),
        *(
            (word, GPUS, "names no devices")
            for word in ("", "gpu:", "gpu:0,cpu:1", "tpu", "gpu:-1", "0,,1", "auto,cpu")
        ),
    ],
)
def test_words_for_nothing_that_is_there(word, found, told):
    with pytest.raises(OdtkError, match=told.replace("(", r"\(")) as caught:
        choose_devices(word, found)
    assert caught.value.argument == "devices"


@pytest.fixture
def machine(monkeypatch):
    """A machine with three GPUs, as far as tf.config tells; `started`: TensorFlow can no longer be set up."""
    gpus = [SimpleNamespace(name=f"/physical_device:GPU:{index}") for index in range(3)]
    fake = SimpleNamespace(visible=list(gpus), growing=[], started=False, gpus=gpus)

    def set_up(change):
        if fake.started:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        change()

    physical = {"GPU": gpus, "CPU": tf.config.list_physical_devices("CPU")}
    details = {"device_name": "Tesla T4", "compute_capability": (7, 5)}
    experimental = SimpleNamespace(
        set_memory_growth=lambda gpu, on: set_up(lambda: fake.growing.append(gpu)),
        get_device_details=lambda gpu: details,
    )
    config = SimpleNamespace(
        list_physical_devices=physical.get,
        get_visible_devices=lambda kind: fake.visible,
        set_visible_devices=lambda some, kind: set_up(lambda: setattr(fake, "visible", some)),
        get_logical_device_configuration=lambda cpu: None,
        experimental=experimental,
    )
    for module in (device_choice, hardware, strategies):
        monkeypatch.setattr(
            module, "tf", SimpleNamespace(config=config, distribute=tf.distribute, DeviceSpec=tf.DeviceSpec)
        )
    return fake


def test_other_gpus_are_hidden_and_only_the_chosen_ones_memory_grows(machine):
    assert use_only(find_chosen("gpu:2,1")) == ["GPU:0", "GPU:1"]  # TensorFlow counts what it sees
    assert machine.visible == machine.growing == [machine.gpus[2], machine.gpus[1]]


def test_the_cpu_hides_all_gpus(machine):
    assert use_only(find_chosen("cpu")) == ["CPU:0"]
    assert machine.visible == []


def test_a_started_tensorflow_gives_what_it_sees_and_no_more(machine):
    machine.started, machine.visible = True, machine.gpus[:2]
    assert use_only([Device(GPU, 1)]) == ["GPU:1"]
    with pytest.raises(OdtkError, match="started in this process without gpu:2"):
        use_only([Device(GPU, 2)])


def test_an_exported_model_runs_on_one_device(machine):
    assert use_one("gpu:2") == "GPU:0"
    assert machine.visible == [machine.gpus[2]]
    assert use_one("cpu") == "CPU:0"
    for word in ("all", "gpu:1,2"):
        with pytest.raises(OdtkError, match=f"'{word}' means . devices, but a model detects objects on one") as error:
            use_one(word)
        assert error.value.argument == "devices"


@pytest.fixture
def mirrored(machine, monkeypatch):
    """Names of the devices that a MirroredStrategy was asked for."""
    asked: list = []
    official = SimpleNamespace(get_distribution_strategy=lambda kind, num_gpus: asked.append((kind, num_gpus)))
    monkeypatch.setattr(strategies, "distribute_utils", official)
    strategies._on_devices.cache_clear()
    return asked


@pytest.mark.parametrize(("batch_size", "used"), [(None, 3), (9, 3), (64, 2), (7, 1)])
def test_auto_uses_as_many_gpus_as_can_share_the_batch(mirrored, machine, batch_size, used):
    said: list[str] = []
    strategies.build_strategy(batch_size=batch_size, log=said.append)
    assert machine.visible == machine.gpus[:used]
    assert mirrored == ([("mirrored", used)] if used > 1 else [])
    assert [line[:28] for line in said] == ([] if used == 3 else [f"note: {used} of 3 GPUs are used, "])


def test_devices_that_were_named_must_share_the_batch(mirrored):
    with pytest.raises(
        OdtkError, match=r"batch of 64 evenly\. Set a batch size that is a multiple of 3, such as 63, or"
    ):
        strategies.build_strategy("all", batch_size=64)
    assert not mirrored


def test_in_a_callers_scope_naming_devices_is_refused():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert strategies.build_strategy() is tf.distribute.get_strategy()
        for argument in ("devices", "tpu"):
            with pytest.raises(OdtkError, match="'cpu' would do nothing") as error:
                strategies.build_strategy(**{argument: "cpu"})
            assert error.value.argument == argument


def test_the_devices_of_a_strategy(machine):
    default, several = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0"])
    machine.visible = machine.gpus[1:]
    assert [device.name for device in strategies.devices_of(default)] == ["gpu:1"]
    machine.visible = []
    assert strategies.devices_of(default) == strategies.devices_of(several) == [Device(CPU)]
