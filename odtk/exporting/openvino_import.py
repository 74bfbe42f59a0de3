"""Imports OpenVINO so that it reports to no one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_REPORTER = "openvino_telemetry"


def import_openvino():
    """The module.

    Its own telemetry (2026.4) is on unless the user has opted out: `import openvino` and each conversion then send
    events with an identifier of the user to Google Analytics, from processes that it forks, and write ~/intel. It does
    nothing of that where its package for it cannot be imported, as where that is not installed. Whatever imported
    openvino before keeps what it chose.
    """
    with _absent(_REPORTER):
        import openvino
    return openvino


@contextlib.contextmanager
def _absent(package: str) -> Iterator[None]:
    """In the block, the package cannot be imported."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # see "import" in Python's reference
    try:
        yield
    finally:
        del sys.modules[package]
