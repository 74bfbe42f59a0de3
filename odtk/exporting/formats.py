"""The export formats: one table of their names, writers and readers.

To add one, write a module in this package and add a row here. Reading the table does not load TensorFlow.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odtk.errors import OdtkError

if TYPE_CHECKING:
    import tensorflow as tf

    from odtk.detectors.detector import Detector
    from odtk.exporting.model import Model
    from odtk.protos import pipeline_pb2

DEFAULT = "saved_model"
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
"""Of TFLite files: nothing; weights in float16; weights in int8; weights and activations in int8."""
CERTIFICATE = "certificate.json"
"""Of an exported folder: how its models answer compared with the checkpoint."""


@dataclass(frozen=True)
class ExportOptions:
    """What users choose of an export, besides its formats."""

    input_type: str = "image_tensor"  # of odtk.exporting.signatures.INPUT_TYPES
    winograd: bool = False  # see odtk.layers.winograd
    precision: str = "float32"  # of odtk.layers.precision: what the network of a SavedModel computes in
    quantize: str = "none"  # TFLite: none, float16, dynamic or int8
    calibration: int = 200  # images of the records by which int8 gets its ranges
    uint8_input: bool = False  # an int8 model takes pixels as they are


@dataclass(frozen=True)
class Source:
    """What is exported."""

    detector: Detector
    """Built and restored, in float32."""
    config: pipeline_pb2.TrainEvalPipelineConfig
    prefix: str
    """The checkpoint's."""
    step: int | None
    label_map: bytes | None
    """The text of the label map that goes with it."""
    names: Mapping[int, str]
    """1-based classes to their names; empty without a label map."""
    options: ExportOptions
    served: Detector
    """The detector in the precision that was asked for, with the same weights."""
    more_variables: Sequence[tf.Variable] = ()
    """Other variables that its network uses, see use_winograd."""
    log: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Tolerance:
    """How far the detections of an exported model may be from its checkpoint's."""

    boxes: float = 1e-3
    """The largest distance between sides of boxes, as a part of the image's."""
    scores: float = 1e-3
    """The largest difference between scores."""
    missing: float = 0.0
    """The largest part of the objects that only one of the two finds, or finds farther away; see agreement.compare."""
    points: float = 1.0
    """The largest loss of mAP, of 100."""

    @classmethod
    def of(cls, limit: float) -> Tolerance:
        """One limit for everything, 0.01 for example: a hundredth of the image, of a score, of the objects, of mAP."""
        return cls(limit, limit, limit, 100 * limit)


@dataclass(frozen=True)
class Needs:
    """Packages beyond odtk's own."""

    extra: str
    """Of odtk, which installs them: pip install 'odtk[EXTRA]'."""
    modules: tuple[str, ...]

    def require(self, what: str) -> None:
        """Raises OdtkError if one of them is not installed; `what` needs them: "The format onnx"."""
        absent = [name for name in self.modules if importlib.util.find_spec(name) is None]
        if absent:
            raise OdtkError(
                f"{what} needs {' and '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed. "
                f"Install with: pip install 'odtk[{self.extra}]'"
            )


_OF_PRECISION = {
    "float16": Tolerance(0.02, 0.05, 0.05, 2.0),
    "bfloat16": Tolerance(0.1, 0.1, 0.1, 2.0),
}


def by_precision(options: ExportOptions) -> Tolerance:
    """That of a SavedModel."""
    return _OF_PRECISION.get(options.precision, Tolerance())


@dataclass(frozen=True)
class ExportFormat:
    """A row of the table."""

    path: str
    """Its folder or file in an exported folder: "saved_model", "model.onnx"."""
    meaning: str
    """What it is for, in a few words."""
    write: Callable[[Source, str], None]
    """Writes the model to that path, which does not exist yet."""
    load: Callable[..., Model] | None = None
    """A function (path, *, label_map=None, devices="auto") that opens what was written; None if it is no model."""
    suffix: str | None = None
    """Of the file, by which a model alone is recognized: ".onnx"."""
    needs: Needs | None = None
    refuses: Callable[[pipeline_pb2.TrainEvalPipelineConfig, ExportOptions], str | None] = lambda config, options: None
    """Why a config's model or these options cannot be exported so, with the fix; asked before TensorFlow loads."""
    embed: Callable[[str, str], None] | None = None
    """A function (path, certificate as JSON) that puts a certificate into what was written."""
    tolerance: Callable[[ExportOptions], Tolerance] = by_precision
    also: tuple[str, ...] = field(default=())
    """Patterns of further files that it writes beside its path."""
    inside: str | None = None
    """Of a folder, the pattern of a file in it by which the folder alone is recognized, under any name."""


def _of_module(module: str, function: str) -> Callable:
    """A function of odtk.exporting.`module`, which is imported when it is called."""

    def call(*arguments, **settings):
        return getattr(importlib.import_module(f"odtk.exporting.{module}"), function)(*arguments, **settings)

    return call


FORMATS = {
    DEFAULT: ExportFormat(
        "saved_model",
        "TensorFlow's, as TFOD exports it",
        _of_module("saved_model", "write"),
        _of_module("runtime", "load"),
        embed=_of_module("saved_model", "embed"),
    ),
    "onnx": ExportFormat(
        "model.onnx",
        "for ONNX Runtime, TensorRT and others",
        _of_module("onnx_file", "write"),
        _of_module("onnx_model", "load"),
        suffix=".onnx",
        needs=Needs("onnx", ("tf2onnx", "onnx", "onnxruntime")),
        refuses=_of_module("onnx_file", "refuses"),
        embed=_of_module("onnx_file", "embed"),
    ),
    "tflite": ExportFormat(
        "model.tflite",
        "for phones and edge devices: LiteRT, MediaPipe",
        _of_module("tflite_file", "write"),
        _of_module("tflite_model", "load"),
        suffix=".tflite",
        refuses=_of_module("tflite_refusals", "refuses"),
        embed=_of_module("tflite_file", "embed"),
        tolerance=_of_module("tflite_refusals", "tolerance"),
    ),
    "openvino": ExportFormat(
        "openvino",
        "for Intel's OpenVINO",
        _of_module("openvino_file", "write"),
        _of_module("openvino_model", "load"),
        suffix=".xml",
        needs=Needs("openvino", ("tf2onnx", "onnx", "openvino")),
        refuses=_of_module("openvino_file", "refuses"),
        embed=_of_module("openvino_file", "embed"),
        inside="model.xml",
    ),
    "browser": ExportFormat(
        "browser",
        "a page that finds objects in pictures and the webcam",
        _of_module("browser", "write"),
        _of_module("browser", "load"),
        needs=Needs("onnx", ("tf2onnx", "onnx", "onnxruntime")),
        refuses=_of_module("browser", "refuses"),
        embed=_of_module("browser", "embed"),
    ),
    "serving": ExportFormat(
        "serving",
        "a folder for TensorFlow Serving",
        _of_module("serving", "write"),
        _of_module("serving", "load"),
        embed=_of_module("serving", "embed"),
        inside="*/[0-9]*/saved_model.pb",
    ),
    "weights": ExportFormat(
        "weights.npz",
        "NumPy arrays by TFOD's keys",
        _of_module("weights", "write"),
        _of_module("weights", "load"),
        suffix=".npz",
        embed=_of_module("weights", "embed"),
        tolerance=lambda options: Tolerance(),
    ),
    "script": ExportFormat(
        "train.py",
        "a Python file that trains what the run trained",
        _of_module("training_script", "write"),
        refuses=_of_module("training_script", "refuses"),
    ),
}
"""The formats by the names that users choose them by."""


def formats_in_words() -> str:
    """Every format with its meaning: "a (...), b (...) or c (...)"."""
    *others, last = (f"{name} ({row.meaning})" for name, row in FORMATS.items())
    return f"{', '.join(others)} or {last}" if others else last
