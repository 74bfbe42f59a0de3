"""GPUs: which there are, and why TensorFlow uses one or not."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from odtk import machine
from odtk.findings import ERROR, NOTE, WARNING, Finding
from odtk.system_errors import in_bytes
from odtk.tools.doctor.cuda import missing_libraries, oldest_driver, opens_library
from odtk.tools.doctor.part import Part

VISIBLE = "CUDA_VISIBLE_DEVICES"
_LOG_LINES = 3
_DRIVERS = "https://www.nvidia.com/drivers"
_ON_COLAB = "On Colab choose Runtime > Change runtime type > T4 GPU."


@dataclass
class GpuFacts:
    """What the machine says, and what TensorFlow says: `devices` as of odtk.hardware; None if it does not import."""

    on_pci: int = 0
    driver: str | None = None
    has_device: bool = False
    """Whether there is a file to reach a GPU by: a container may have none."""
    has_libcuda: bool = False
    visible: str | None = None
    """The environment's CUDA_VISIBLE_DEVICES."""
    missing: tuple[str, ...] = ()
    """Libraries that TensorFlow looks for and does not find."""
    tensorflow: str | None = None
    """The version."""
    build: dict | None = None
    """How TensorFlow was built."""
    devices: tuple[dict, ...] | None = None
    log: tuple[str, ...] = ()
    """What TensorFlow has printed about GPUs."""


def find_gpu_facts(
    tensorflow: metadata.Distribution | None, answer: dict, root: Path = machine.ROOT, environ: Mapping = os.environ
) -> GpuFacts:
    """`answer`: of the process that has imported TensorFlow."""
    devices = answer.get("devices")
    build = answer.get("build")
    return GpuFacts(
        on_pci=machine.count_nvidia_on_pci(root),
        driver=machine.nvidia_driver(root),
        # /dev/dxg: the GPU of the Windows around a Linux in WSL.
        has_device=any(root.glob("dev/nvidia[0-9]*")) or (root / "dev/dxg").exists(),
        has_libcuda=opens_library("libcuda.so.1"),
        visible=environ.get(VISIBLE),
        missing=tuple(missing_libraries(tensorflow)) if tensorflow and (build or {}).get("is_cuda_build") else (),
        tensorflow=tensorflow.version if tensorflow else None,
        build=build,
        devices=None if devices is None else tuple(each for each in devices if each["kind"] == "gpu"),
        log=tuple(line for line in answer.get("log", ()) if re.search("cuda|gpu|cudnn|nvidia", line, re.IGNORECASE)),
    )


def check_gpus(found: GpuFacts) -> Part:
    """Facts and findings."""
    facts = {
        "NVIDIA GPUs on PCI": str(found.on_pci),
        "NVIDIA driver": found.driver or "none",
        "libcuda.so.1": "found" if found.has_libcuda else "not found",
        VISIBLE: "not set" if found.visible is None else f'"{found.visible}"',
    }
    if found.build is not None:
        built = found.build
        facts["TensorFlow's CUDA"] = (
            f"{built.get('cuda_version')}, cuDNN {built.get('cudnn_version')}" if built.get("is_cuda_build") else "none"
        )
        if built.get("is_cuda_build"):
            facts["CUDA libraries"] = f"not found: {', '.join(found.missing)}" if found.missing else "all found"
    if found.devices is not None:
        facts["GPUs that TensorFlow sees"] = "; ".join(map(_described, found.devices)) or "none"
    findings = _of_seen(found) if found.devices else [_why_none(found)]
    return Part("GPU", facts, findings)


def _described(device: dict) -> str:
    memory = f", {in_bytes(device['memory'])}" if device["memory"] else ""
    capability = device["compute_capability"]
    number = f", compute capability {capability[0]}.{capability[1]}" if capability else ""
    return f"gpu:{device['index']} {device['model'] or 'GPU'}{memory}{number}"


def _why_none(found: GpuFacts) -> Finding:
    """The first reason on the way from the hardware to TensorFlow."""
    if not (found.on_pci or found.driver or found.has_device or found.has_libcuda):
        lacking = f" For a GPU, TensorFlow would also lack {', '.join(found.missing)}." if found.missing else ""
        install = f" CUDA's libraries: {_install(found)}." if found.missing else ""
        return Finding(
            NOTE,
            "This machine has no NVIDIA GPU: training runs on the CPU, which takes seconds per step at 640x640."
            f"{lacking}",
            kind="no-gpu",
            fix=f"{_ON_COLAB} On a CPU start from the pipeline made for it, ssd_resnet50_v1_fpn_small.{install}",
        )
    if found.visible is not None and found.visible.strip() in ("", "-1"):
        return Finding(
            WARNING,
            f'{VISIBLE} is "{found.visible}", which hides all GPUs.',
            kind="hidden-gpus",
            fix=f"unset {VISIBLE}",
        )
    if not (found.driver or found.has_device):
        return Finding(
            WARNING,
            f"{'A GPU of NVIDIA is' if found.on_pci else 'libcuda.so.1 is'} there, and NVIDIA's driver is not loaded.",
            kind="no-driver",
            fix=f"Install it (on Ubuntu: `sudo ubuntu-drivers install`; else from {_DRIVERS}) and restart.",
        )
    if not (found.has_device and found.has_libcuda):
        lacking = "libcuda.so.1 is not found" if found.has_device else "no GPU can be reached (no /dev/nvidia0)"
        return Finding(
            ERROR,
            f"NVIDIA's driver {found.driver or ''} is loaded, but {lacking}.".replace("  ", " "),
            kind="no-libcuda",
            fix="In a container: start it with the GPUs, `docker run --gpus all ...`, which takes NVIDIA's container "
            "toolkit. Elsewhere: install the driver's libraries again.",
        )
    return _why_not_used(found)


def _why_not_used(found: GpuFacts) -> Finding:
    """With a GPU and its driver there, what TensorFlow lacks."""
    if found.devices is None or found.build is None:
        return Finding(
            WARNING,
            "There is a GPU, but TensorFlow cannot be asked for it, as it does not import.",
            kind="gpu-unknown",
            fix="First do what is said above of TensorFlow, then run this again.",
        )
    install = _install(found)
    if not found.build.get("is_cuda_build"):
        return Finding(
            ERROR,
            "This TensorFlow was built without CUDA, so it uses no GPU.",
            kind="no-cuda-build",
            fix=f"pip uninstall --yes tensorflow tensorflow-cpu && {install}",
        )
    if found.missing:
        return Finding(
            ERROR,
            f"TensorFlow does not find {', '.join(found.missing)}, so it uses no GPU.",
            kind="missing-libraries",
            count=len(found.missing),
            fix=f'{install} (or, with odtk: pip install "odtk[gpu]")',
        )
    oldest = oldest_driver(str(found.build.get("cuda_version") or ""))
    if found.driver and oldest and int(found.driver.partition(".")[0]) < oldest:
        return Finding(
            ERROR,
            f"NVIDIA's driver is {found.driver}, and CUDA {found.build['cuda_version']}, which TensorFlow was built "
            f"for, needs {oldest} or newer.",
            kind="old-driver",
            fix=f"Install a newer driver ({_DRIVERS}) and restart.",
        )
    said = f" It says: {' / '.join(found.log[-_LOG_LINES:])}" if found.log else ""
    return Finding(
        ERROR,
        f"There are a GPU, its driver and all libraries, but TensorFlow sees no GPU.{said}",
        kind="gpu-not-seen",
        fix="Run `nvidia-smi`: if it fails, too, restart the machine. Otherwise `odtk --debug doctor` shows all that "
        "TensorFlow says.",
    )


def _install(found: GpuFacts) -> str:
    """The command that installs CUDA's libraries for the TensorFlow that is there; odtk[gpu] asks for the same."""
    return f'pip install "tensorflow[and-cuda]=={found.tensorflow}"'


def _of_seen(found: GpuFacts) -> list[Finding]:
    devices, findings = found.devices or (), []
    if found.visible is None and 0 < len(devices) < found.on_pci:
        findings.append(
            Finding(
                NOTE,
                f"TensorFlow uses {len(devices)} of {found.on_pci} GPUs on PCI.",
                kind="fewer-gpus",
                fix="Nothing, if the others are for displays or are too old. `nvidia-smi -L` lists them.",
            )
        )
    newest = _newest_code((found.build or {}).get("cuda_compute_capabilities") or ())
    for device in devices:
        capability = device["compute_capability"]
        if capability and newest and tuple(capability) > newest:
            findings.append(
                Finding(
                    WARNING,
                    f"{device['model']} is newer than this TensorFlow, which has code for compute capability up to "
                    f"{newest[0]}.{newest[1]}: it is compiled for this GPU first, which takes minutes and may fail.",
                    kind="newer-gpu",
                    fix="Wait at the first step; CUDA_CACHE_MAXSIZE=4294967296 keeps all of it for the next time.",
                )
            )
    return findings


def _newest_code(capabilities) -> tuple[int, int] | None:
    """Of ("sm_80", "compute_90"): (9, 0)."""
    numbers = [re.fullmatch(r"(?:sm|compute)_(\d+)(\d)[a-z]?", each) for each in capabilities]
    return max(((int(each[1]), int(each[2])) for each in numbers if each), default=None)
