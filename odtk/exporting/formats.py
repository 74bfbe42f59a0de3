"""The export formats: one table of their names and writers.

To add one, write a module in this package and add a row here. Reading the table does not load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

    from odtk.detectors.detector import Detector

DEFAULT = "saved_model"


def _write_saved_model(detector: Detector, input_type: str, path: str, more_variables: Sequence[tf.Variable]) -> None:
    from odtk.exporting import saved_model

    saved_model.save(detector, input_type, path, more_variables)


@dataclass(frozen=True)
class ExportFormat:
    """A row of the table."""

    path: str
    """Its folder or file in an exported folder: "saved_model", "model.onnx"."""
    write: Callable[[Detector, str, str, Sequence[tf.Variable]], None]
    """A function of (detector, name of the input type, path to write to, other variables that its network uses)."""


FORMATS = {DEFAULT: ExportFormat("saved_model", _write_saved_model)}
"""The formats by the names that users choose them by."""
