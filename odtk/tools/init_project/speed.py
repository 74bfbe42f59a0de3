"""How long training may take and how much memory: reasoned from few measurements, not measured here."""

from __future__ import annotations

import re

from odtk.tools.init_project.machine_facts import CPU, GPU, MachineFacts

SMALL = "ssd_resnet50_v1_fpn_small"

# Pipeline to images per second of one CPU core, at a side in pixels: the `# Speed:` lines of the pipelines.
_ON_A_CORE = {
    SMALL: (20.0, 160),
    "ssd_mobilenet_v2_fpnlite_320x320_pets": (4.0, 320),
    "ssd_mobilenet_v2_fpnlite_640x640_pets": (1.0, 640),
    "ssd_resnet50_v1_fpn_640x640_pets": (0.15, 640),
}
_CORES_THAT_HELP = 16
_BY_SIDE = 2.3  # the power of the side: 320x320 was 4 to 6 times as slow as 160x160

# ssd_resnet50_v1_fpn_640x640_pets on an H200 in bfloat16, with the input pipeline (docs/scaling.md); others in
# proportion to the bandwidth of their memory, GB/s, which bounds most of a training step.
_ON_H200, _H200S_BANDWIDTH = 143.0, 4800
_BANDWIDTHS = {
    "T4": 320, "L4": 300, "V100": 900, "A10": 600, "A100": 1555, "H100": 3350, "H200": 4800, "P100": 732,
    "RTX 3090": 936, "RTX 4090": 1008,
}  # fmt: skip
_LIGHTNESS = {SMALL: 10.0, "ssd_mobilenet_v2_fpnlite_640x640_pets": 2.0, "ssd_mobilenet_v2_fpnlite_320x320_pets": 2.0}
_DEEPER = {"ssd_resnet101_v1_fpn_640x640_pets": 1.6, "ssd_resnet152_v1_fpn_640x640_pets": 2.2}
_LEAST_STEP = 0.1  # seconds, on a GPU: launching a thousand small operations
_PREPARED_BY_A_CORE = 600.0  # images per second, at 320x320

_IMAGE_AT_640 = 909e6  # bytes that one image leaves for the backward pass, ResNet-50 in float32 (docs/scaling.md)
_PROCESS = 1.1e9  # bytes that a training process takes beside that
_SHARE_OF_MEMORY = 0.6


def images_per_second(base: str, size: tuple[int, int], batch_size: int, machine: MachineFacts) -> float | None:
    """The speed of training; None where nothing is known of the device."""
    side = (size[0] * size[1]) ** 0.5
    if machine.kind == CPU:
        found = _ON_A_CORE.get(base)
        return found and found[0] * min(machine.cores, _CORES_THAT_HELP) * (found[1] / side) ** _BY_SIDE
    # "Tesla T4", "NVIDIA A10G"; the letters of A10 are in A100, those of L4 in L40S.
    found_names = [name for name in _BANDWIDTHS if re.search(rf"\b{name}(?!\d)", machine.model or "")]
    if machine.kind != GPU or not found_names:
        return None
    bandwidth = _BANDWIDTHS[found_names[0]]
    lightness = _LIGHTNESS.get(base, 1.0) / _DEEPER.get(base, 1.0)
    computed = _ON_H200 * bandwidth / _H200S_BANDWIDTH * lightness * (640 / side) ** 2 * machine.devices
    prepared = _PREPARED_BY_A_CORE * machine.cores * (320 / side)
    return min(computed, prepared, batch_size / _LEAST_STEP)


def batch_that_fits(base: str, size: tuple[int, int], batch_size: int, machine: MachineFacts) -> int:
    """`batch_size`, or the largest half, quarter ... of it that fits into main memory, if training is on the CPU."""
    if machine.kind != CPU or machine.memory is None:
        return batch_size
    room = machine.memory * _SHARE_OF_MEMORY - _PROCESS
    while batch_size > 1 and batch_size * _bytes_of_image(base, size) > room:
        batch_size //= 2
    return batch_size


def in_words(seconds: float) -> str:
    """`about 3 minutes`, `about 5 hours`, `about 2 days`."""
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60))
    unit, length = next((pair for pair in units if seconds >= 2 * pair[1]), units[-1])
    count = max(1, round(seconds / length))
    return f"about {count} {unit}{'s' * (count != 1)}"


def _bytes_of_image(base: str, size: tuple[int, int]) -> float:
    # The small pipeline has a quarter of the channels.
    return _IMAGE_AT_640 * size[0] * size[1] / 640**2 * (0.25 if base == SMALL else 1)
