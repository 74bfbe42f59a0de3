"""Where a run takes place: versions, devices, and the state of the checkout that it was started in."""

import contextlib
import os
import platform
import socket
import subprocess
from importlib import metadata

from odtk import machine

_PACKAGES = ("odtk", "tensorflow", "tf-models-official", "tf-keras", "numpy", "protobuf")
_GIT_SECONDS = 10


def describe(devices: list[str]) -> dict:
    """Versions, machine and git state, as JSON; `devices` are the names of the GPUs."""
    return {
        "versions": versions(),
        "machine": {
            "host": socket.gethostname(),
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            **_hardware(),
            "gpus": devices,
        },
        "git": _git(),
    }


def _hardware() -> dict:
    """What `odtk doctor` says of the machine: what this process may use of it, and the GPUs' driver."""
    cpu, memory = machine.find_cpu(), machine.find_memory()
    return {
        "processor": cpu.model,
        "cores": cpu.cores,
        "memory": memory.total,
        "nvidia_driver": machine.nvidia_driver(),
        "tpus": [chip.model for chip in machine.find_tpus()],
    }


def versions() -> dict[str, str | None]:
    """The versions of odtk and of what its numbers depend on."""
    return {**_packages(), "python": platform.python_version(), "cuda": _cuda()}


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _cuda() -> str | None:
    """That TensorFlow was built for; None for one that knows no GPU."""
    import tensorflow as tf

    return tf.sysconfig.get_build_info().get("cuda_version")


def _git() -> dict | None:
    """Commit and whether files differ from it; None outside a checkout."""
    commit = _ask_git("rev-parse", "HEAD")
    return {"commit": commit, "changed": bool(_ask_git("status", "--porcelain"))} if commit else None


def _ask_git(*command: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(["git", *command], capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
        return answer.stdout.strip()
    return None
