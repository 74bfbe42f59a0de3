"""Whether what is traced now becomes an ONNX file: what runs those has other operations, and other ones are fast.

What would rather be computed otherwise there asks `are_needed`. An operation that ONNX has and TensorFlow lacks is put
into the graph by `tf.numpy_function`, as an operation of the type STAND_IN, which the converter replaces.
"""

import contextlib
import threading
from collections.abc import Iterator

STAND_IN = "PyFuncStateless"
"""The type of TensorFlow's operation that stands for ONNX's NonMaxSuppression; see odtk.boxes.onnx_suppression."""

_tracing = threading.local()


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """In the block, `are_needed` is true."""
    before = are_needed()
    _tracing.are_needed = True
    try:
        yield
    finally:
        _tracing.are_needed = before


def are_needed() -> bool:
    """Whether what is traced now becomes an ONNX file."""
    return getattr(_tracing, "are_needed", False)
