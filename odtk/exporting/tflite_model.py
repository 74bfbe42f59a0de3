"""Runs a .tflite detector on pictures: odtk's, or another's with the four outputs of TFLite_Detection_PostProcess."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from odtk import label_map as label_maps
from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError, OdtkError
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.model import Model
from odtk.exporting.tflite_texts import FileTexts, names_of

_RUNTIMES = ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter")


def load(path: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto") -> TfliteModel:
    """The detector in a .tflite file, which alone is enough if odtk wrote it.

    `label_map` instead of the file's own names. Raises CheckpointError if it is no detector of one image, or does not
    say how its input is normalized; OdtkError for `devices` other than the CPU.
    """
    if devices not in ("auto", "cpu", "cpu:0"):
        raise OdtkError(f"TFLite files run on the CPU here, not on {devices}. Use cpu or auto.", argument="devices")
    texts = FileTexts.of(path)
    given = None if label_map is None else label_maps.find(label_map)
    names = names_of(texts, given)
    if not names and Path(path).with_name(LABEL_MAP).is_file():  # TFOD's files hold none
        given = Path(path).with_name(LABEL_MAP)
        names = names_of(texts, given)
    model = TfliteModel(texts, names)
    model.label_map = given
    return model


class TfliteModel(Model):
    """A detector in an interpreter of TFLite: LiteRT's where it is installed, else TensorFlow's."""

    takes_batches = False

    def __init__(self, texts: FileTexts, names: Mapping[int, str]):
        from odtk.exporting.tflite_input import build_input

        self.path, self._names, self._places = texts.path, dict(names), texts.output_places()
        self.name_of = lambda number: self._names.get(number, f"class {number}")
        self._interpreter, runtime = _open(texts.path)
        self._input, self._outputs = _interface(self._interpreter, texts.path)
        height, width = (int(side) for side in self._input["shape"][1:3])
        self._image_input = build_input(texts, (height, width), np.dtype(self._input["dtype"]))
        self.description = f"{texts.path}, a TFLite model ({runtime}, one image of {height}x{width} at a time)"

    @property
    def names(self) -> dict[int, str]:
        """The names of the classes that have one, by their 1-based ids."""
        return dict(self._names)

    def place(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """The images as inputs of the model, each with the part of it that the picture fills."""
        return [self._image_input.prepare(image, np.dtype(self._input["dtype"])) for image in images]

    def run(self, placed: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Detections]:
        """The objects in each of the images that were placed."""
        return [self.named(self._found(*each)) for each in placed]

    def _found(self, values: np.ndarray, fills: np.ndarray) -> Detections:
        try:
            self._interpreter.set_tensor(self._input["index"], values)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{self.path} fails on an image: {error}") from error
        outputs = [self._interpreter.get_tensor(self._outputs[place]["index"]) for place in self._places]
        count = int(outputs[3].reshape(-1)[0])
        boxes, classes, scores = (part[0][:count] for part in outputs[:3])
        boxes = self._image_input.to_picture(boxes, fills)
        found = Detections(boxes, np.rint(classes).astype(np.int32) + 1, scores.astype(np.float32))
        # TFOD leaves out what lies outside of the picture; the operation does not know the picture.
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) | self._image_input.keeps_empty
        return found.take(real).best()


def _open(path: str) -> tuple[Any, str]:
    """An interpreter that is ready, and what it is."""
    for runtime in _RUNTIMES:
        try:
            interpreter = importlib.import_module(runtime).Interpreter
        except ImportError:
            continue
        try:
            # With two threads TFLite_Detection_PostProcess leaves out classes where their number is not even.
            opened = interpreter(model_path=path, num_threads=1)
            opened.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} cannot be loaded by TFLite: {error} A file with Flex operations needs TensorFlow's own "
                "interpreter; export it with odtk, which uses none."
            ) from error
        return opened, "LiteRT" if runtime == _RUNTIMES[0] else "TensorFlow's interpreter"
    raise CheckpointError(f"{path} needs an interpreter of TFLite. Install it: pip install 'odtk[tflite]'.")


def _interface(interpreter: Any, path: str) -> tuple[dict, list[dict]]:
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    shape = list(inputs[0]["shape"]) if len(inputs) == 1 else []
    if len(outputs) != 4 or len(shape) != 4 or (shape[0], shape[3]) != (1, 3) or min(shape) < 1:
        raise CheckpointError(
            f"{path} is not a detector that odtk can run: it has {len(inputs)} inputs and {len(outputs)} outputs, and "
            "expected are one image [1, height, width, 3] and the four outputs of TFLite_Detection_PostProcess."
        )
    if inputs[0]["dtype"] not in (np.float32, np.uint8):
        raise CheckpointError(f"{path} takes {np.dtype(inputs[0]['dtype']).name}; expected float32 or uint8.")
    return inputs[0], outputs
