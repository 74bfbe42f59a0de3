"""The first line of a training: what it runs on."""

from collections.abc import Sequence

from odtk.detectors import families
from odtk.hardware import CPU, Device, describe_devices

_SMALL_SIDE = 400  # pixels; with larger images a CPU takes seconds per step
ADVICE = (
    "A CPU takes seconds per step at 640x640; of the pipelines ssd_resnet50_v1_fpn_small is the one made for it (`odtk "
    "configure --list`). On Colab choose a GPU runtime; elsewhere `odtk doctor` says what is missing."
)


def device_line(config, devices: Sequence[Device]) -> str:
    """`Device: 2 x Tesla T4 (14.6 GB each).`; with ADVICE on a CPU, unless the images are already small."""
    line = f"Device: {describe_devices(devices)}."
    if any(device.kind != CPU for device in devices):
        return line
    sides = families.of(config).fixed_sides(config.model).values()
    return line if sides and max(sides) <= _SMALL_SIDE else f"{line} {ADVICE}"
