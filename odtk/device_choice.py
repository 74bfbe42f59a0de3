"""Chooses the devices of a command, as --devices says, and keeps TensorFlow to them."""

import contextlib
from collections.abc import Sequence

import tensorflow as tf

from odtk.device_words import parse_devices
from odtk.errors import OdtkError
from odtk.hardware import CPU, GPU, Device, list_gpus

AUTO, ALL = "auto", "all"


def choose_devices(word: str, found: Sequence[Device], num_cpus: int = 1) -> list[Device]:
    """The devices that `word` means: auto, all, cpu, or numbers of GPUs as in "gpu:0,1", "gpu" (the first), "0,1".

    `found`: those of the machine; `num_cpus`: as how many devices TensorFlow uses the CPU ("cpu:0,1"). Raises OdtkError
    for a word that means none, and for devices that are not there.
    """
    gpus = [device for device in found if device.kind == GPU]
    if word == AUTO:
        return gpus or [Device(CPU)]
    if word == ALL:
        if not gpus:
            raise _refusal(word, "no GPU was found", found, "Use auto, which takes the CPU then")
        return gpus
    kind, numbers = parse_devices(word)
    there = gpus if kind == GPU else [Device(CPU, index) for index in range(num_cpus)]
    by_number = {device.index: device for device in there}
    missing = [f"{kind}:{number}" for number in numbers if number not in by_number]
    if missing:
        raise _refusal(word, f"{' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not found", found)
    return [by_number[number] for number in numbers]


def find_chosen(word: str) -> list[Device]:
    """`choose_devices` among those of this machine."""
    return choose_devices(word, list_gpus() or [Device(CPU)], _count_cpus())


def use_only(devices: Sequence[Device]) -> list[str]:
    """Hides other GPUs from TensorFlow, whose memory then grows on demand; returns its names of `devices`: "GPU:0".

    A process in which TensorFlow has started keeps its setting. Raises OdtkError if that hides one of `devices`.
    """
    physical = tf.config.list_physical_devices("GPU")
    wanted = [physical[device.index] for device in devices if device.kind == GPU]
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices(wanted, "GPU")
    for gpu in wanted:
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    visible = tf.config.get_visible_devices("GPU")
    for device, gpu in zip(devices, wanted, strict=False):
        if gpu not in visible:
            raise OdtkError(
                f"TensorFlow has started in this process without {device.name}, and cannot be given it any more. "
                "Choose the devices in a new process; in a notebook restart the runtime first.",
                argument="devices",
            )
    return [f"GPU:{visible.index(gpu)}" for gpu in wanted] or [f"CPU:{device.index}" for device in devices]


def use_one(word: str) -> str:
    """Hides other GPUs than the one that `word` means, see `use_only`; returns TensorFlow's name of the device.

    Raises OdtkError if it means several.
    """
    chosen = find_chosen(word)
    if len(chosen) > 1:
        raise OdtkError(
            f"'{word}' means {len(chosen)} devices, but a model detects objects on one. Choose one, such as "
            f"{chosen[0].name}; to use several, give each a part of the images, in a process of its own.",
            argument="devices",
        )
    return use_only(chosen)[0]


def _refusal(word: str, what: str, found: Sequence[Device], fix: str = "Choose among them") -> OdtkError:
    names = ", ".join(f"{each.name} ({each.model})" if each.model else each.name for each in found)
    # A CPU is no answer to who looks for a GPU: where TensorFlow sees none, its drivers are the usual reason.
    return OdtkError(
        f"'{word}' was asked for, but {what}. This machine has, as far as TensorFlow sees: {names}. {fix}, or see "
        "what TensorFlow lacks with `odtk doctor`.",
        argument="devices",
    )


def _count_cpus() -> int:
    cpu = tf.config.list_physical_devices("CPU")[0]
    return len(tf.config.get_logical_device_configuration(cpu) or [None])
