"""Devices and memory of this process: the GPUs, and memory that the C library keeps for reuse."""

import contextlib
import ctypes
import os
import sys

import tensorflow as tf

from odtk.native_log import heed_log_level

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
QUICK_BATCH_NORMS = "TF_USE_CUDNN_BATCHNORM_SPATIAL_PERSISTENT"
"""The environment variable by which TensorFlow lets cuDNN train batch norms by its persistent method."""
_LARGEST_INT = 2**31 - 1


def prepare_gpus() -> list[str]:
    """Lets GPU memory grow on demand, so that others can use the GPU too; returns the GPUs' names, none on a CPU."""
    heed_log_level()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Fails if TensorFlow is already running, as in a notebook, which then has its own setting.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]


def use_quick_batch_norms() -> None:
    """Lets GPUs train batch norms in bfloat16 without converting each of their inputs to another layout and back.

    For cuDNN's persistent batch norm, which TensorFlow leaves off: on an H200 the two passes of an SSD-ResNet50-FPN in
    bfloat16 took 48 ms with it and 78 ms without. cuDNN says that it restricts the range of inputs and may overflow,
    which gives a NaN, and so is seen. Not for float16, where a NaN has more causes, until losses were compared.
    TensorFlow reads the setting when it computes the first batch norm; one that the user made stays.
    """
    os.environ.setdefault(QUICK_BATCH_NORMS, "1")


def has_quick_batch_norms() -> bool:
    """Whether GPUs train batch norms by cuDNN's persistent method in this process."""
    return os.environ.get(QUICK_BATCH_NORMS, "0").lower() in ("1", "true") and bool(
        tf.config.get_visible_devices("GPU")
    )


_deterministic = False


def use_deterministic_operations() -> None:
    """From now on TensorFlow gives the same numbers each time, bit for bit, or fails; for the rest of the process.

    TensorFlow's random seed must be set before.
    """
    global _deterministic
    tf.config.experimental.enable_op_determinism()
    _deterministic = True


def are_operations_deterministic() -> bool:
    """Whether `use_deterministic_operations` was called; TensorFlow does not tell."""
    return _deterministic


def keep_freed_memory() -> bool:
    """Lets this process reuse the memory of large tensors that it has freed; False without glibc.

    glibc allocates every large tensor from the kernel, which clears each of its pages, and returns it immediately: an
    input batch of 8 images of 640x640 is 39 MB, and clearing takes longer than resizing. With oneDNN (by default on
    CPUs with AVX-512) TensorFlow pools large tensors itself, and this changes little. Call it before the first batch.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    return all(mallopt(option, value) for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _LARGEST_INT)))
