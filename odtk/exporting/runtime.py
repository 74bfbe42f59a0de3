"""An exported SavedModel, loaded to find things in pictures."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from odtk import label_map as label_maps
from odtk.detections import Detections
from odtk.errors import CheckpointError, DataError
from odtk.report.picture_files import read_picture, upright_rgb

_SIGNATURE = "serving_default"
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
_PARSING_OPS = {"ParseExample", "ParseExampleV2", "ParseSingleExample"}


def load(exported_dir: str | os.PathLike, *, label_map: str | os.PathLike | None = None) -> "ExportedDetector":
    """An exported detector, ready to find things in images: `odtk.load("exported").detect("cat.jpg")`.

    `exported_dir` is what `odtk export` or TFOD's exporter wrote, of any input type but tf_example. Names of classes
    come from `label_map` (a file, or a shipped map's name), else from the label_map.pbtxt that lies there, else classes
    are called by number. Loading runs what the SavedModel's maker put into it: load those that you trust. Raises
    CheckpointError where it is no exported detector, LabelMapError where `label_map` cannot be read.
    """
    find_saved_model(exported_dir)  # what is wrong with it is said before TensorFlow's seconds of start-up
    map_path = find_label_map(exported_dir, label_map)
    name_of = naming(map_path)
    from odtk.devices import prepare_gpus

    prepare_gpus()
    return ExportedDetector(exported_dir, name_of)


def find_label_map(exported_dir: str | os.PathLike, label_map: str | os.PathLike | None = None) -> Path | None:
    """`label_map` (a file, or a shipped map's name), or the one that lies with an exported detector, if any does."""
    if label_map:
        return label_maps.find(label_map)
    # Beside saved_model/, which may itself be the folder that was named.
    candidates = (Path(exported_dir), find_saved_model(exported_dir).parent)
    return next((folder / "label_map.pbtxt" for folder in candidates if (folder / "label_map.pbtxt").is_file()), None)


def naming(map_path: Path | None) -> Callable[[int], str]:
    """The function from a 1-based class to its name in a label map; to "class 7" where no map has it."""
    names = {item["id"]: item["name"] for item in label_maps.read(map_path).categories()} if map_path else {}
    return lambda class_id: names.get(class_id, f"class {class_id}")


class ExportedDetector:
    """A detector in the SavedModel layout of TFOD and `odtk export`, of any input type but tf_example."""

    def __init__(self, exported_dir: str | os.PathLike, name_of: Callable[[int], str] | None = None):
        """Loads `exported_dir`/saved_model, or `exported_dir` itself where that is the SavedModel."""
        import tensorflow as tf

        self.folder = find_saved_model(exported_dir)
        self.name_of = name_of or naming(None)
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

    def detect(self, image: str | os.PathLike | Image.Image | np.ndarray) -> Detections:
        """What is found in one image, best score first: normalised yxyx boxes, 1-based classes, scores and names.

        `image` is a file's path, an image of Pillow (both are turned upright as their EXIF orientation says), or an
        array, uint8 [height, width, 3] RGB. `.best(min_score=0.5)` of the result keeps what is likely. Raises DataError
        where the image cannot be read or the model fails on it.
        """
        import tensorflow as tf

        pixels = _pixels(image)
        inputs = {self._input_name: self._as_input(tf.constant(pixels))}
        try:
            outputs = self._function(**inputs)
        except tf.errors.OpError as error:
            shape = "x".join(str(side) for side in pixels.shape)
            raise DataError(f"{self.folder} fails on an image of shape {shape}: {error.message}") from error
        found = Detections.from_outputs({name: outputs[name].numpy() for name in _OUTPUTS})
        return dataclasses.replace(found, names=tuple(map(self.name_of, found.classes.tolist())))

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


def _pixels(image: Any) -> np.ndarray:
    if isinstance(image, (str, os.PathLike)):
        image = read_picture(image)
    elif isinstance(image, Image.Image):
        image = upright_rgb(image)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"This image is an array of {pixels.dtype}, shape {list(pixels.shape)}; expected uint8, [height, width, 3] "
            "in the order red, green, blue. Pillow makes one of most others: PIL.Image.fromarray(array)."
        )
    return pixels


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
