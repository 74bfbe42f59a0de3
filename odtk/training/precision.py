"""Chooses the precision in which a run's network computes: as asked for, or what its devices are quick at."""

from collections.abc import Sequence
from typing import NamedTuple

from odtk import machine
from odtk.errors import OdtkError
from odtk.hardware import CPU, GPU, TPU, Device
from odtk.layers.precision import BFLOAT16, FLOAT16, FLOAT32
from odtk.protos import pipeline_pb2

AUTO = "auto"

_VOLTA, _AMPERE = (7, 0), (8, 0)
# From which compute capability on.
_ARCHITECTURES = {
    (12, 0): "Blackwell", (10, 0): "Blackwell", (9, 0): "Hopper", (8, 9): "Ada", _AMPERE: "Ampere", (7, 5): "Turing",
    _VOLTA: "Volta", (6, 0): "Pascal", (5, 0): "Maxwell",
}  # fmt: skip
# Instructions that multiply bfloat16, see odtk.machine.
_CPU_BFLOAT16 = {"avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX"}


class ChosenPrecision(NamedTuple):
    """One of odtk.layers.precision.PRECISIONS, and why."""

    precision: str
    reason: str

    @property
    def line(self) -> str:
        """`Precision: float16 with loss scaling (auto: Tesla T4, a Turing GPU, has no bfloat16).`"""
        scaling = " with loss scaling" if self.precision == FLOAT16 else ""
        return f"Precision: {self.precision}{scaling} ({self.reason})."


def choose_precision(
    requested: str, config: pipeline_pb2.TrainEvalPipelineConfig, devices: Sequence[Device]
) -> ChosenPrecision:
    """The precision of a run on these devices, which are of one kind; `requested` is AUTO or one of PRECISIONS.

    AUTO heeds train_config.use_bfloat16 on any device. Otherwise it is bfloat16 on TPUs and on GPUs from Ampere on,
    float16 on those from Volta on, and float32 on older ones and on CPUs; of several GPUs the oldest decides. Raises
    OdtkError for float16 on TPUs.
    """
    if requested == AUTO and not config.train_config.use_bfloat16:
        precision, reason = _fastest(devices)
        return ChosenPrecision(precision, f"auto: {reason}")
    precision, reason = (BFLOAT16, "the config's use_bfloat16") if requested == AUTO else (requested, "as asked for")
    drawback = _drawback(precision, devices)
    return ChosenPrecision(precision, f"{reason}; {drawback}" if drawback else reason)


def _fastest(devices: Sequence[Device]) -> tuple[str, str]:
    kind, oldest = _kind(devices), _oldest(devices)
    if kind == TPU:
        return BFLOAT16, "TPUs multiply in bfloat16"
    if oldest is None:
        instructions = cpu_bfloat16()
        known = f"; this one has {instructions}, with which bfloat16 may be quicker" if instructions else ""
        return FLOAT32, f"a CPU{known}"
    capability, named = oldest.compute_capability, _described(oldest)
    if capability is None:
        return FLOAT32, f"the compute capability of {named} is unknown"
    if capability >= _AMPERE:
        return BFLOAT16, f"{named}, is quick at it"
    if capability >= _VOLTA:
        return FLOAT16, f"{named}, has no bfloat16"
    return FLOAT32, f"{named}, is not quicker in another one"


def _drawback(precision: str, devices: Sequence[Device]) -> str:
    """What speaks against a precision that was asked for; "" if nothing does."""
    kind, oldest = _kind(devices), _oldest(devices)
    if kind == TPU and precision == FLOAT16:
        raise OdtkError("TPUs do not compute in float16. Use bfloat16, or float32.", argument="precision")
    if kind == TPU or precision == FLOAT32:
        return ""
    if oldest is None:
        if precision == FLOAT16:
            return "CPUs are slower in float16 than in float32"
        return "" if cpu_bfloat16() else "this CPU has neither AVX512-BF16 nor AMX, so float32 is quicker"
    capability = oldest.compute_capability or _AMPERE
    if capability < _VOLTA:
        return f"{_described(oldest)}, is not quicker in it: it saves memory alone"
    if capability < _AMPERE and precision == BFLOAT16:
        return f"{_described(oldest)}, has no bfloat16 and computes it in float32: float16 is quicker"
    return ""


def _kind(devices: Sequence[Device]) -> str:
    return devices[0].kind if devices else CPU


def _oldest(devices: Sequence[Device]) -> Device | None:
    """The GPU that can do least, one of unknown capability first; None if there is no GPU."""
    gpus = [device for device in devices if device.kind == GPU]
    return min(gpus, key=lambda device: device.compute_capability or (0, 0), default=None)


def _described(gpu: Device) -> str:
    """`Tesla T4, a Turing GPU`"""
    name, capability = gpu.model or gpu.name, gpu.compute_capability
    if capability is None:
        return name
    architecture = next((name for least, name in _ARCHITECTURES.items() if capability >= least), "older")
    return f"{name}, {'an' if architecture[0] in 'Ao' else 'a'} {architecture} GPU"


def cpu_bfloat16() -> str:
    """The instructions of this machine's CPU that multiply bfloat16: "AVX512-BF16 and AMX"; "" if it has none."""
    features = machine.find_cpu().features
    return " and ".join(name for feature, name in _CPU_BFLOAT16.items() if feature in features)
