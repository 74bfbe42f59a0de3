"""Runs a detector in an ONNX file by ONNX Runtime, on the CPU."""

from __future__ import annotations

import os

import numpy as np

from odtk import files
from odtk.errors import CheckpointError
from odtk.exporting.file_model import READ, FileModel, Input, require_cpu
from odtk.parallel import num_cores

_TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
_ONLY_ERRORS = 3


def load(path: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto") -> OnnxModel:
    """The detector in a file of `odtk export`, or one converted from a SavedModel of TFOD; see odtk.load.

    The file's own label map names its classes, unless `label_map` is given. Weights in files beside it are read, too.
    """
    require_cpu(devices, "ONNX Runtime")
    return OnnxModel(path, label_map)


class OnnxModel(FileModel):
    """A detector in an ONNX file that takes images, uint8 or float32."""

    def __init__(self, path: str | os.PathLike, label_map: str | os.PathLike | None = None):
        self._session = session = _session(os.fspath(path))
        taken = session.get_inputs()
        # Files that were converted from graphs of TensorFlow 1 have names like "detection_boxes:0".
        by_name = {each.name.split(":")[0]: each.name for each in session.get_outputs()}
        takes, texts = _input(taken[0]) if len(taken) == 1 else None, session.get_modelmeta().custom_metadata_map
        super().__init__(path, takes, list(by_name), texts, label_map, "ONNX Runtime")
        self._input_name = taken[0].name
        self._outputs_read = {name: by_name[name] for name in READ if name in by_name}

    def answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name."""
        values = self._session.run(list(self._outputs_read.values()), {self._input_name: inputs})
        return dict(zip(self._outputs_read, values, strict=True))


def _session(path: str):
    import onnxruntime

    onnxruntime.set_default_logger_severity(_ONLY_ERRORS)  # kernels do not heed the session's
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    options.intra_op_num_threads = num_cores()  # by itself it takes the machine's, also those that this process may not
    try:
        model = files.read_bytes(path) if files.is_remote(path) else path
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of several classes, not all of them public
        raise CheckpointError(
            f"{path} cannot be loaded as an ONNX model: {str(error).strip()}. Export it again with `odtk export`."
        ) from error


def _input(taken) -> Input:
    shape = tuple(side if isinstance(side, int) else None for side in taken.shape)
    return Input(_TYPES.get(taken.type, taken.type), shape)
