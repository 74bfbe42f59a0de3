"""The export formats: one table of their names and writers.

To add one, write a module in this package and add a row here. Reading the table does not load TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

    from odtk.detectors.detector import Detector

DEFAULT = "saved_model"


def _write_saved_model(detector: Detector, input_type: str, path: str, more_variables: Sequence[tf.Variable]) -> None:
    from odtk.exporting import saved_model

    saved_model.save(detector, input_type, path, more_variables)


FORMATS: dict[str, Callable[[Detector, str, str, Sequence[tf.Variable]], None]] = {
    DEFAULT: _write_saved_model,
}
"""Name, which is also that of the folder or file in an exported folder, to a function of (detector, name of the input
type, path to write to, variables besides the detector's that its network uses)."""
