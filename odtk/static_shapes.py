"""Whether shapes must be known in advance: XLA compiles for them, and a TPU runs nothing else.

What would rather take the shapes that a batch happens to need asks `are_needed`.
"""

import contextlib
import threading
from collections.abc import Iterator

from odtk.errors import OdtkError

_tracing = threading.local()  # each replica is traced by a thread of its own


@contextlib.contextmanager
def needed(is_needed: bool = True) -> Iterator[None]:
    """In the block, `are_needed` is true, or what it was outside if not `is_needed`."""
    before = are_needed()
    _tracing.is_needed = before or is_needed
    try:
        yield
    finally:
        _tracing.is_needed = before


def are_needed() -> bool:
    """Whether what is traced now must have static shapes."""
    return getattr(_tracing, "is_needed", False)


def require_one_size(image_size: tuple[int, int] | None, what: str, argument: str) -> None:
    """Raises OdtkError, about this argument, for a detector whose images have several sizes (None)."""
    if image_size is None:
        raise OdtkError(
            f"The model's image_resizer gives images of several sizes, and XLA would compile the {what} again for "
            "each. Use fixed_shape_resizer, or set keep_aspect_ratio_resizer.pad_to_max_dimension: true.",
            argument=argument,
        )
