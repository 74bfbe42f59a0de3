"""Runs a detector in OpenVINO's form, on the CPU."""

from __future__ import annotations

import os

import numpy as np

from odtk.errors import CheckpointError
from odtk.exporting.file_model import READ, FileModel, Input, require_cpu
from odtk.exporting.openvino_file import FILE, texts_in
from odtk.exporting.openvino_import import import_openvino
from odtk.parallel import num_cores

_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
"""Otherwise OpenVINO computes in bfloat16 on processors that have it."""


def load(path: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto") -> FileModel:
    """The detector in a model.xml of `odtk export` or its folder, or one converted from a SavedModel; see odtk.load.

    The file's own label map names its classes, unless `label_map` is given. The weights are in the .bin beside it.
    """
    require_cpu(devices, "OpenVINO")
    return OpenVinoModel(os.path.join(path, FILE) if os.path.isdir(path) else path, label_map)


class OpenVinoModel(FileModel):
    """A detector that takes images, uint8 or float32, computed in float32."""

    def __init__(self, path: str | os.PathLike, label_map: str | os.PathLike | None = None):
        place = os.fspath(path)
        self._compiled = compiled = _compile(place)
        by_name = {name: output for output in compiled.outputs for name in output.get_names()}
        takes = _input(compiled.inputs[0]) if len(compiled.inputs) == 1 else None
        super().__init__(place, takes, list(by_name), texts_in(place), label_map, "OpenVINO")
        self._outputs_read = {name: by_name[name] for name in READ if name in by_name}

    def answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name."""
        found = self._compiled([inputs])
        return {name: np.array(found[output]) for name, output in self._outputs_read.items()}


def _compile(path: str):
    openvino = import_openvino()
    try:
        return openvino.Core().compile_model(path, "CPU", {**_FLOAT32, "INFERENCE_NUM_THREADS": num_cores()})
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be loaded as a model of OpenVINO: {str(error).strip()}. Export it again with `odtk "
            "export`; the .bin with the weights belongs beside it."
        ) from error


def _input(taken) -> Input:
    shape = tuple(side.get_length() if side.is_static else None for side in taken.get_partial_shape())
    name = taken.get_element_type().to_dtype().name
    return Input(name, shape)
