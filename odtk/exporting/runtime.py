"""Loads an exported SavedModel, to detect objects in images."""

import os
from pathlib import Path

import numpy as np

from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError
from odtk.exporting.signatures import INPUT_TYPES, InputType, input_type_of

_SIGNATURE = "serving_default"
LABEL_MAP = "label_map.pbtxt"
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


def load(exported_dir: str | os.PathLike) -> "ExportedDetector":
    """The detector in a folder that `odtk export` or TFOD's exporter wrote: `load(folder).detect(image)`.

    Raises CheckpointError if there is no detector in it, or if it does not take images.
    """
    return ExportedDetector(exported_dir)


class ExportedDetector:
    """A detector in the SavedModel layout of TFOD and `odtk export`, of any input type but tf_example."""

    def __init__(self, exported_dir: str | os.PathLike):
        """Loads `exported_dir`/saved_model, or `exported_dir` itself where that is the SavedModel."""
        import tensorflow as tf

        self.folder = find_saved_model(exported_dir)
        try:
            self._loaded = tf.saved_model.load(str(self.folder))
        except Exception as error:  # A damaged SavedModel ends in whatever TensorFlow meets first.
            raise CheckpointError(
                f"{self.folder} cannot be loaded as a SavedModel ({type(error).__name__}: {error}). "
                "Export it again with `odtk export`."
            ) from error
        self._function = self._signature()
        ((self._input_name, spec),) = self._function.structured_input_signature[1].items()
        self._kind = self._find_input_type(spec.dtype.name)

    @property
    def input_type(self) -> str:
        """The name of what it takes, of odtk.exporting.signatures.INPUT_TYPES."""
        return self._kind.name

    def detect(self, image: np.ndarray) -> Detections:
        """What is found in one image, uint8 [height, width, 3] RGB (an array, or what NumPy makes one of).

        Classes are 1-based. Raises DataError for anything else, and where the model fails on the image.
        """
        import tensorflow as tf

        image = _checked(np.asarray(image))
        try:
            outputs = self._function(**{self._input_name: self._kind.from_image(tf.constant(image))})
        except tf.errors.OpError as error:
            shape = "x".join(str(side) for side in image.shape)
            raise DataError(f"{self.folder} fails on an image of shape {shape}: {error.message}") from error
        return Detections.from_outputs({name: outputs[name].numpy() for name in _OUTPUTS})

    def _signature(self):
        signature = self._loaded.signatures.get(_SIGNATURE)
        missing = (
            _OUTPUTS if signature is None else [name for name in _OUTPUTS if name not in signature.structured_outputs]
        )
        if missing or len(signature.structured_input_signature[1]) != 1:
            raise CheckpointError(
                f"{self.folder} is not a detector: its signature {_SIGNATURE} should take one image tensor and return "
                f"{', '.join(_OUTPUTS)}. Give an output folder of `odtk export` or TFOD's exporter_main_v2."
            )
        return signature

    def _find_input_type(self, dtype: str) -> InputType:
        kind = input_type_of(dtype, lambda: _op_types(self._function.graph.as_graph_def()))
        taking_images = [one for one in INPUT_TYPES.values() if one.from_image]
        if kind is None:
            dtypes = ", ".join(dict.fromkeys(one.dtype for one in taking_images))
            raise CheckpointError(f"{self.folder} takes {dtype} input; expected one of {dtypes}.")
        if kind.from_image is None:
            raise CheckpointError(
                f"{self.folder} takes {kind.meaning} (input type {kind.name}), not images. Export it again with input "
                f"type {taking_images[0].name}."
            )
        return kind


def find_saved_model(exported_dir: str | os.PathLike) -> Path:
    """The SavedModel's folder of an exported detector; raises CheckpointError, with a guess at what was given."""
    folder = Path(exported_dir)
    for candidate in (folder / "saved_model", folder):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    fix = "Give an output folder of `odtk export`."
    if any(folder.glob("ckpt-*.index")):
        fix = (
            f"It holds checkpoints: run `odtk export PIPELINE_CONFIG {folder} OUTPUT_DIR` first, then give OUTPUT_DIR."
        )
    raise CheckpointError(f"{folder} holds no exported model (no saved_model/saved_model.pb). {fix}")


def find_label_map(exported_dir: str | os.PathLike) -> Path | None:
    """The label map of an exported detector; it lies beside the SavedModel, which may itself be the folder named."""
    candidates = (Path(exported_dir) / LABEL_MAP, find_saved_model(exported_dir).parent / LABEL_MAP)
    return next((path for path in candidates if path.is_file()), None)


def _checked(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = "x".join(str(side) for side in image.shape) or "no"
        raise DataError(
            f"An image of shape {shape} and type {image.dtype} cannot be used; expected RGB, uint8 [height, width, 3] "
            "with values 0 to 255. Convert it first (with Pillow: image.convert('RGB'))."
        )
    return image


def _op_types(graph_def) -> set[str]:
    inside = {node.op for function in graph_def.library.function for node in function.node_def}
    return inside | {node.op for node in graph_def.node}
