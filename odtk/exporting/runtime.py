"""Loads an exported SavedModel, to detect objects in images."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from odtk import label_map as label_maps
from odtk.detections import MULTICLASS_SCORES, Detections
from odtk.errors import CheckpointError, DataError
from odtk.exporting.signatures import INPUT_TYPES, InputType, input_type_of
from odtk.report.picture_files import read_picture, upright_rgb

_SIGNATURE = "serving_default"
LABEL_MAP = "label_map.pbtxt"
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


def load(
    exported_dir: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto"
) -> "ExportedDetector":
    """The detector in a folder that `odtk export` or TFOD's exporter wrote: `odtk.load(folder).detect("cat.jpg")`.

    Class names come from `label_map` (a file, or a shipped map's name), otherwise from the label_map.pbtxt of the
    export; without one, classes are named by number. `devices` is what it runs on: "cpu" or one GPU ("gpu:1"), while
    the other GPUs are hidden from TensorFlow, or "auto", the first GPU, else the CPU. Loading a SavedModel runs its
    author's code: only load models that you trust. Raises CheckpointError if there is no detector in it, or if it does
    not take images; LabelMapError if the label map cannot be read; OdtkError for devices that are not there, or
    several.
    """
    find_saved_model(exported_dir)  # report problems before the seconds that TensorFlow takes to import
    name_of = naming(find_label_map(exported_dir, label_map))
    from odtk.device_choice import AUTO, use_one
    from odtk.devices import prepare_gpus

    prepare_gpus()
    return ExportedDetector(exported_dir, name_of, None if devices == AUTO else use_one(devices))


class ExportedDetector:
    """A detector in the SavedModel layout of TFOD and `odtk export`, with any input type except tf_example."""

    def __init__(
        self,
        exported_dir: str | os.PathLike,
        name_of: Callable[[int], str] | None = None,
        device: str | None = None,
    ):
        """Loads `exported_dir`/saved_model, or `exported_dir` itself if that is the SavedModel.

        `name_of` gives 1-based classes their names; without it they are named by number. `device`: "CPU:0" or "GPU:0",
        None for TensorFlow's choice.
        """
        import tensorflow as tf

        self.folder = find_saved_model(exported_dir)
        self.name_of = name_of or naming(None)
        self._on_device = functools.partial(tf.device, device) if device else contextlib.nullcontext
        try:
            with self._on_device():
                self._loaded = tf.saved_model.load(str(self.folder))
        except Exception as error:  # A damaged SavedModel can raise almost anything in TensorFlow.
            raise CheckpointError(
                f"{self.folder} cannot be loaded as a SavedModel ({type(error).__name__}: {error}). "
                "Export it again with `odtk export`."
            ) from error
        self._function = self._signature()
        ((self._input_name, spec),) = self._function.structured_input_signature[1].items()
        self._kind = self._find_input_type(spec.dtype.name)

    @property
    def input_type(self) -> str:
        """The name of its input type in odtk.exporting.signatures.INPUT_TYPES."""
        return self._kind.name

    def detect(self, image: Any) -> Detections:
        """The objects in one image, best score first: normalized yxyx boxes, 1-based classes, scores and names.

        `image` is a file's path or a Pillow image (both are rotated by their EXIF orientation), or uint8 RGB
        [height, width, 3] (an array or anything NumPy converts to one). `.best(min_score=0.5)` of the result keeps the
        likely objects. Raises DataError for anything else, and if the model fails on the image.
        """
        import tensorflow as tf

        pixels = _checked(np.asarray(_picture(image)))
        to_input = self._kind.from_image
        assert to_input is not None  # other types were refused
        try:
            with self._on_device():
                outputs = self._function(**{self._input_name: to_input(tf.constant(pixels))})
        except tf.errors.OpError as error:
            shape = "x".join(str(side) for side in pixels.shape)
            raise DataError(f"{self.folder} fails on an image of shape {shape}: {error.message}") from error
        read = [name for name in (*_OUTPUTS, MULTICLASS_SCORES) if name in outputs]
        found = Detections.from_outputs({name: outputs[name].numpy() for name in read})
        return dataclasses.replace(found, names=tuple(map(self.name_of, found.classes.tolist())))

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
    """The SavedModel's folder of an exported detector; raises CheckpointError, which guesses what the path is."""
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


def find_label_map(exported_dir: str | os.PathLike, label_map: str | os.PathLike | None = None) -> Path | None:
    """The label map of an exported detector: `label_map` (a file, or a shipped map's name), or the export's own.

    The export's own is next to the SavedModel, which may itself be the given folder.
    """
    if label_map:
        return label_maps.find(label_map)
    candidates = (Path(exported_dir) / LABEL_MAP, find_saved_model(exported_dir).parent / LABEL_MAP)
    return next((path for path in candidates if path.is_file()), None)


def naming(label_map: Path | None) -> Callable[[int], str]:
    """A function from a 1-based class to its name in a label map, or to "class 7" if there is no map or no such id."""
    names = {item["id"]: item["name"] for item in label_maps.read(label_map).categories()} if label_map else {}
    return lambda class_id: names.get(class_id, f"class {class_id}")


def _picture(image: Any) -> Any:
    if isinstance(image, (str, os.PathLike)):
        return read_picture(image)
    return upright_rgb(image) if isinstance(image, Image.Image) else image


def _checked(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        shape = "x".join(str(side) for side in image.shape)
        what = f"An image of shape {shape} and type {image.dtype}" if shape else "What is neither path, image nor array"
        raise DataError(
            f"{what} cannot be used; expected RGB, uint8 [height, width, 3] with values 0 to 255. Convert it first "
            "(with Pillow: image.convert('RGB')).",
            argument="image",
        )
    return image


def _op_types(graph_def) -> set[str]:
    inside = {node.op for function in graph_def.library.function for node in function.node_def}
    return inside | {node.op for node in graph_def.node}
