"""Which devices a job has for itself, so that no two jobs meet on one."""

from collections.abc import Mapping, Sequence

from odtk.device_words import parse_devices
from odtk.errors import OdtkError

ALL = "all"
"""The whole machine: what a command without --devices takes."""

_EVERYTHING = ("auto", ALL)
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices_of(word: str | None) -> frozenset[str] | None:
    """The devices that a word means, one by one ("gpu:0"); None for the whole machine.

    Raises OdtkError for a word that means none.
    """
    if word is None or word in _EVERYTHING:
        return None
    kind, numbers = parse_devices(word, argument="device")
    return frozenset(f"{kind}:{number}" for number in numbers)


def canonical(word: str | None) -> str:
    """One word for each choice of devices: "all", "cpu:0", "gpu:0,1"; OdtkError for a word that means none."""
    if word is None or word in _EVERYTHING:
        return ALL
    if not isinstance(word, str):
        raise OdtkError(f"{word!r} is no name of devices. Write it as text: 'gpu:0'.", argument="device")
    kind, numbers = parse_devices(word, argument="device")
    return f"{kind}:{','.join(map(str, sorted(numbers)))}"


def share_a_device(first: str | None, second: str | None) -> bool:
    """Whether two words mean a device together."""
    one, other = devices_of(first), devices_of(second)
    return one is None or other is None or bool(one & other)


def is_within(device: str | None, other: str | None) -> bool:
    """Whether all devices of a word are among those of another."""
    inner, outer = devices_of(device), devices_of(other)
    return outer is None or (inner is not None and inner <= outer)


def named_in(command: Sequence[str]) -> str | None:
    """What a command's own --devices says; None without, and if it leaves the choice to the command."""
    word = None
    for index, each in enumerate(command):
        if each == "--devices":
            word = command[index + 1] if index + 1 < len(command) else None
        elif each.startswith("--devices="):
            word = each.partition("=")[2]
    return None if word in (None, *_EVERYTHING) else canonical(word)


def environment_for(device: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a command sees no other GPU than those of `device`; the CPU hides all.

    Numbers count those that `environment` shows already, as TensorFlow's do. Raises OdtkError if it shows too few.
    """
    kind, numbers = parse_devices(device, argument="device")
    if kind == "cpu":
        return {**environment, _VISIBLE: "-1"}
    before = environment.get(_VISIBLE)
    if before is None:
        return {**environment, _VISIBLE: ",".join(map(str, numbers))}
    shown = [each.strip() for each in before.split(",")] if before.strip() else []
    if max(numbers) >= len(shown):
        raise OdtkError(
            f"{device} was asked for, but where the job was added {_VISIBLE} is '{before}', which shows "
            f"{len(shown)} GPUs. Choose among these, counted from 0, or unset the variable.",
            argument="device",
        )
    return {**environment, _VISIBLE: ",".join(shown[number] for number in numbers)}
