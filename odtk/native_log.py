"""The log of TensorFlow's C++ code that Abseil writes, such as a line for each GPU that is opened."""

import ctypes
import functools
import mmap
import os
import re
from pathlib import Path

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""The environment variable of the least severity that is logged, from 0 (info) to 3 (fatal)."""

_SYMBOL = re.compile(rb"_ZN4absl\d+(?:lts_\d{8})?14SetMinLogLevelENS\d?_18LogSeverityAtLeastE")
"""absl::SetMinLogLevel(absl::LogSeverityAtLeast); the name of its inline namespace changes with Abseil's version."""


@functools.cache
def heed_log_level() -> bool:
    """Sets Abseil's least severity to LEVEL's, which TensorFlow heeds for the rest of its log; False if it cannot.

    What it cannot is no error: then the lines are seen. To be called after TensorFlow's import.
    """
    level = os.environ.get(LEVEL, "")
    if level not in ("1", "2", "3"):
        return False
    for library in _libraries():
        name = _find_symbol(library)
        if name is not None:
            getattr(ctypes.CDLL(str(library)), name)(int(level))
            return True
    return False


def _libraries() -> list[Path]:
    import tensorflow as tf

    folder = Path(tf.sysconfig.get_lib())
    return sorted(folder.glob("libtensorflow_*.so*"), key=lambda path: path.stat().st_size)


def _find_symbol(library: Path) -> str | None:
    """The mangled name of absl::SetMinLogLevel in a library."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _SYMBOL.search(content)
        return found[0].decode() if found else None
