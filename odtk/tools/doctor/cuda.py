"""The CUDA libraries that TensorFlow opens by name, as its own metadata lists them, and which of them are not found."""

import ctypes
import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

# NVIDIA's packages, of TensorFlow's extra and-cuda, and the libraries that TensorFlow opens of each. Without one of
# these it uses no GPU. (Others, such as NCCL for several GPUs, come with the same extra.)
_LIBRARIES = {
    "cuda-runtime": ("libcudart",),
    "cublas": ("libcublas", "libcublasLt"),
    "cufft": ("libcufft",),
    "cusolver": ("libcusolver",),
    "cusparse": ("libcusparse",),
    "cudnn": ("libcudnn",),
}
# The oldest driver of each major version of CUDA (NVIDIA, CUDA Compatibility, "minor version compatibility").
_OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


def needed_libraries(tensorflow: metadata.Distribution) -> list[str]:
    """Names as the linker takes them, such as libcudnn.so.9; of each the oldest version that TensorFlow runs with."""
    names = []
    for requirement in map(Requirement, tensorflow.requires or ()):
        package = re.fullmatch(r"nvidia-(.+?)-cu\d+|nvidia-(.+)", requirement.name)
        oldest = [each.version for each in requirement.specifier if each.operator == ">="]
        if package and oldest:
            major = oldest[0].partition(".")[0]
            names += [f"{name}.so.{major}" for name in _LIBRARIES.get(package[1] or package[2], ())]
    return names


def missing_libraries(tensorflow: metadata.Distribution, opens=None) -> list[str]:
    """Those that are neither in NVIDIA's packages beside TensorFlow, where it looks first, nor known to the linker."""
    beside = Path(str(tensorflow.locate_file("nvidia")))
    return [
        name
        for name in needed_libraries(tensorflow)
        if not any(beside.glob(f"*/lib/{name}")) and not (opens or opens_library)(name)
    ]


def opens_library(name: str) -> bool:
    """Whether the linker finds a library: in LD_LIBRARY_PATH, or among the system's."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def oldest_driver(cuda_version: str) -> int | None:
    """The first number of the oldest driver that runs a version of CUDA; None if that is not known."""
    major = cuda_version.partition(".")[0]
    return _OLDEST_DRIVER.get(int(major)) if major.isdigit() else None
