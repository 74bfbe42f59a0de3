"""Loads an exported SavedModel, to detect objects in images."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from odtk import files
from odtk import label_map as label_maps
from odtk.detections import MULTICLASS_SCORES, Detections
from odtk.errors import CheckpointError, DataError
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.model import Model, groups_of, naming, size_in_words
from odtk.exporting.signatures import INPUT_TYPES, InputType, input_type_of

_SIGNATURE = "serving_default"
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


def load(
    exported_dir: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto"
) -> ExportedDetector:
    """The detector in a folder that `odtk export` or TFOD's exporter wrote; see odtk.exporting.open_model.load."""
    find_saved_model(exported_dir)  # report problems before the seconds that TensorFlow takes to import
    map_path = find_label_map(exported_dir, label_map)
    name_of = naming(map_path)
    model = ExportedDetector(exported_dir, name_of, device_of(devices))
    model.label_map = map_path
    return model


def device_of(devices: str) -> str | None:
    """TensorFlow's name of the one device that `devices` means, None for its own choice; hides other GPUs from it."""
    from odtk.device_choice import AUTO, use_one
    from odtk.devices import prepare_gpus

    prepare_gpus()
    return None if devices == AUTO else use_one(devices)


class ExportedDetector(Model):
    """A detector in the SavedModel layout of TFOD and `odtk export`, with any input type."""

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
        self.takes_batches = spec.shape.rank is None or spec.shape[0] is None
        several = "" if self.takes_batches else ", one image at a time"
        self.description = f"{self.folder}, an exported model (input type {self.input_type}{several})"

    @property
    def input_type(self) -> str:
        """The name of its input type in odtk.exporting.signatures.INPUT_TYPES."""
        return self._kind.name

    def place(self, images: Sequence[np.ndarray]) -> list[Batch]:
        """The images as inputs of the model: batches of images of one size, or single ones."""
        import tensorflow as tf

        to_input = self._kind.from_image
        shapes = [image.shape for image in images]
        together = groups_of(shapes) if self.takes_batches else [[index] for index in range(len(images))]
        with self._on_device():
            return [
                Batch(
                    each, tf.concat([to_input(tf.constant(images[index])) for index in each], axis=0), shapes[each[0]]
                )
                for each in together
            ]

    def run(self, placed: Sequence[Batch]) -> list[Detections]:
        """The objects in each of the images that were placed."""
        found: dict[int, Detections] = {}
        for batch in placed:
            outputs = self._outputs(batch)
            for place, index in enumerate(batch.indices):
                found[index] = self.named(Detections.from_outputs(outputs, place))
        return [found[index] for index in range(len(found))]

    def _outputs(self, batch: Batch) -> dict[str, np.ndarray]:
        import tensorflow as tf

        try:
            with self._on_device():
                outputs = self._function(**{self._input_name: batch.inputs})
        except tf.errors.OpError as error:
            raise DataError(f"{self.folder} fails on {batch.in_words()}: {error.message}") from error
        answers = len(outputs["num_detections"])
        if answers != len(batch.indices):
            raise CheckpointError(
                f"{self.folder} answers for {answers} when it is given {batch.in_words()}, although its signature "
                "takes several. Give it one image at a time.",
                argument="batch_size",
            )
        return {name: outputs[name].numpy() for name in (*_OUTPUTS, MULTICLASS_SCORES) if name in outputs}

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
        if kind is None:
            dtypes = ", ".join(dict.fromkeys(one.dtype for one in INPUT_TYPES.values()))
            raise CheckpointError(f"{self.folder} takes {dtype} input; expected one of {dtypes}.")
        return kind


@dataclass(frozen=True)
class Batch:
    """Images of one size on their way through a model."""

    indices: list[int]  # their places among all images
    inputs: Any  # as the model takes them, on its device
    shape: tuple[int, ...]  # of each

    def in_words(self) -> str:
        """`an image of shape 480x640x3`."""
        several = f"a batch of {len(self.indices)} images" if len(self.indices) > 1 else "an image"
        return f"{several} of shape {size_in_words(self.shape)}"


def find_saved_model(exported_dir: str | os.PathLike) -> Path | str:
    """The SavedModel's folder of an exported detector; raises CheckpointError, which guesses what the path is."""
    for candidate in (files.join(exported_dir, "saved_model"), os.fspath(exported_dir)):
        if files.exists(files.join(candidate, "saved_model.pb")):
            return files.as_path(candidate)
    fix = "Give an output folder of `odtk export`."
    if any(name.startswith("ckpt-") and name.endswith(".index") for name in files.names_in(exported_dir)):
        fix = (
            f"It holds checkpoints: run `odtk export PIPELINE_CONFIG {exported_dir} OUTPUT_DIR` first, then give "
            "OUTPUT_DIR."
        )
    raise CheckpointError(f"{exported_dir} holds no exported model (no saved_model/saved_model.pb). {fix}")


def find_label_map(exported_dir: str | os.PathLike, label_map: str | os.PathLike | None = None) -> Path | str | None:
    """The label map of an exported detector: `label_map` (a file, or a shipped map's name), or the export's own.

    The export's own is next to the SavedModel, which may itself be the given folder.
    """
    if label_map:
        return label_maps.find(label_map)
    beside = os.path.dirname(os.fspath(find_saved_model(exported_dir)))
    candidates = (files.join(exported_dir, LABEL_MAP), files.join(beside, LABEL_MAP))
    return next((files.as_path(path) for path in candidates if files.exists(path)), None)


def _op_types(graph_def) -> set[str]:
    inside = {node.op for function in graph_def.library.function for node in function.node_def}
    return inside | {node.op for node in graph_def.node}
