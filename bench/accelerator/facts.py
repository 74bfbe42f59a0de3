"""What the machine is: its device, and the versions of all that computes."""

import ctypes
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import tensorflow as tf

from bench.accelerator import models
from bench.accelerator.sizes import Sizes
from odtk import machine

_PACKAGES = ("tensorflow", "tf-keras", "tf-models-official", "numpy", "protobuf")
_SMI = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,power.limit", "--format=csv,noheader"]


def measure(sizes: Sizes, folder: Path) -> dict:
    """Device, driver, libraries as they are loaded, Python packages, CPU."""
    device, build = models.device(), tf.sysconfig.get_build_info()
    return {
        "kind": device.kind,
        "model": device.model,
        "memory_bytes": device.memory,
        "compute_capability": device.compute_capability,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "nvidia_smi": _output(_SMI),
        "built_for": {"cuda": build.get("cuda_version"), "cudnn": build.get("cudnn_version")},
        "loaded": {"cudnn": _version("libcudnn.so.9", "cudnnGetVersion"), "cublas": _cublas()},
        "versions": {name: _package(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "cpu": machine.find_cpu().model,
        "cores": len(os.sched_getaffinity(0)),
        "commit": _output(["git", "rev-parse", "--short", "HEAD"]),
    }


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _output(words: list[str]) -> str | None:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _version(library: str, function: str) -> int | None:
    try:
        found = getattr(ctypes.CDLL(library), function)
    except (OSError, AttributeError):
        return None
    found.restype = ctypes.c_size_t
    return found()


def _cublas() -> str | None:
    """Major, minor and patch, by cublasGetProperty(0, 1 and 2)."""
    try:
        found = ctypes.CDLL("libcublas.so.12").cublasGetProperty
    except (OSError, AttributeError):
        return None
    value, numbers = ctypes.c_int(), []
    for which in range(3):
        found(which, ctypes.byref(value))
        numbers.append(str(value.value))
    return ".".join(numbers)
