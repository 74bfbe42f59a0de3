"""What --devices and --tpu name: "cpu", "gpu", "gpu:0,1", "0,1"; "local"."""

import re

from odtk.errors import OdtkError

CPU, GPU = "cpu", "gpu"
LOCAL_TPU = "local"
"""The name of the TPU that is attached to this machine."""
_ONE = re.compile(r"(cpu|gpu)(?::(\d+))?|(\d+)")


def parse_devices(word: str, argument: str = "devices") -> tuple[str, list[int]]:
    """The kind of the devices ("cpu" or "gpu") and their numbers; OdtkError, about `argument`, if there are none."""
    matches = [_ONE.fullmatch(one.strip()) for one in word.lower().split(",")]
    kinds = [match and match[1] for match in matches]
    if None in matches or set(kinds[1:]) - {None, kinds[0]}:
        raise OdtkError(
            f"'{word}' names no devices. Write auto, cpu, all, or the numbers of GPUs from 0: gpu:0 or gpu:0,1.",
            argument=argument,
        )
    numbers = [int((match and (match[2] or match[3])) or 0) for match in matches]
    if len(set(numbers)) < len(numbers):
        raise OdtkError(f"'{word}' names a device twice. Name each once.", argument=argument)
    return kinds[0] or GPU, numbers
