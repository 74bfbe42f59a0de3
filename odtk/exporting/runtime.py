"""An exported SavedModel, loaded to find things in pictures."""

import os
from pathlib import Path

import numpy as np

from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError

_SIGNATURE = "serving_default"
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
_PARSING_OPS = {"ParseExample", "ParseExampleV2", "ParseSingleExample"}


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
        (self._input_name,) = self._function.structured_input_signature[1]
        self.input_type = self._find_input_type()

    def detect(self, image: np.ndarray) -> Detections:
        """What is found in one image, uint8 [height, width, 3] RGB; classes are 1-based."""
        import tensorflow as tf

        inputs = {self._input_name: self._as_input(tf.constant(image, tf.uint8))}
        try:
            outputs = self._function(**inputs)
        except tf.errors.OpError as error:
            shape = "x".join(str(side) for side in image.shape)
            raise DataError(f"{self.folder} fails on an image of shape {shape}: {error.message}") from error
        return Detections.from_outputs({name: outputs[name].numpy() for name in _OUTPUTS})

    def _as_input(self, image):
        import tensorflow as tf

        if self.input_type == "encoded_image_string_tensor":
            # As PNG, so that the model sees the very pixels that were read.
            return tf.io.encode_png(image, compression=1)[tf.newaxis]
        dtype = tf.float32 if self.input_type == "float_image_tensor" else tf.uint8
        return tf.cast(image, dtype)[tf.newaxis]

    def _signature(self):
        signature = self._loaded.signatures.get(_SIGNATURE)
        missing = (
            _OUTPUTS if signature is None else [name for name in _OUTPUTS if name not in signature.structured_outputs]
        )
        if missing or len(signature.structured_input_signature[1]) != 1:
            raise CheckpointError(
                f"{self.folder} is no detector: its signature {_SIGNATURE} should take one image tensor and give "
                f"{', '.join(_OUTPUTS)}. Name a folder that `odtk export` or TFOD's exporter_main_v2 wrote."
            )
        return signature

    def _find_input_type(self) -> str:
        dtype = self._function.structured_input_signature[1][self._input_name].dtype.name
        by_dtype = {"uint8": "image_tensor", "float32": "float_image_tensor", "string": "encoded_image_string_tensor"}
        if dtype == "string" and _PARSING_OPS & _op_types(self._function.graph.as_graph_def()):
            raise CheckpointError(
                f"{self.folder} takes serialised tf.train.Examples (input type tf_example), not images. "
                "Export it again with input type image_tensor."
            )
        if dtype not in by_dtype:
            raise CheckpointError(f"{self.folder} takes {dtype} input; expected one of {', '.join(by_dtype)}.")
        return by_dtype[dtype]


def find_saved_model(exported_dir: str | os.PathLike) -> Path:
    """The SavedModel's folder of an exported detector; raises CheckpointError, with a guess at what was given."""
    folder = Path(exported_dir)
    for candidate in (folder / "saved_model", folder):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    fix = "Name a folder that `odtk export` wrote."
    if any(folder.glob("ckpt-*.index")):
        fix = (
            f"It holds checkpoints: run `odtk export PIPELINE_CONFIG {folder} OUTPUT_DIR` first, then name OUTPUT_DIR."
        )
    raise CheckpointError(f"{folder} holds no exported model (no saved_model/saved_model.pb). {fix}")


def _op_types(graph_def) -> set[str]:
    inside = {node.op for function in graph_def.library.function for node in function.node_def}
    return inside | {node.op for node in graph_def.node}
