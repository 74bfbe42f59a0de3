"""A detector in a file that another runtime than TensorFlow runs: arrays in, arrays out, and texts about itself."""

from __future__ import annotations

import abc
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from odtk import files
from odtk.detections import MULTICLASS_SCORES, Detections
from odtk.device_words import CPU, parse_devices
from odtk.errors import CheckpointError, DataError, OdtkError
from odtk.exporting import embedded
from odtk.exporting.label_maps import FILE as LABEL_MAP
from odtk.exporting.label_maps import read_map
from odtk.exporting.model import Model, groups_of, naming, size_in_words
from odtk.exporting.signatures import INPUT_TYPES

OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
READ = (*OUTPUTS, MULTICLASS_SCORES)
"""The outputs that are read; the last one is not in every detector."""


@dataclass(frozen=True)
class Input:
    """What a file takes: a type as NumPy writes it, and sides, None where they may be any."""

    dtype: str
    shape: tuple[int | None, ...]


class FileModel(Model):
    """Images to detections by `answer`, which a runtime implements."""

    def __init__(
        self,
        path: str | os.PathLike,
        takes: Input | None,
        outputs: Sequence[str],
        texts: Mapping[str, str],
        label_map: str | os.PathLike | None,
        runtime: str,
    ):
        """`takes` is None if there is not one input; `outputs` are the names of all.

        `texts` are what the file says of itself, see odtk.exporting.embedded; `runtime` is its name, for the user.
        Raises CheckpointError if the file holds no detector of images.
        """
        self.path = os.fspath(path)
        self._input = takes = _checked(self.path, takes, outputs)
        self.takes_batches = takes.shape[0] is None
        self._names = names = embedded.names_in(texts, self.path)
        self.label_map = _label_map_of(self.path, label_map, is_needed=not names)
        self.name_of = naming(self.label_map) if self.label_map else lambda number: names.get(number, f"class {number}")
        several = "" if self.takes_batches else ", one image at a time"
        self.description = f"{self.path}, run by {runtime} on the CPU ({takes.dtype} input{several})"

    @property
    def names(self) -> dict[int, str]:
        """Those of the label map that was given, else those within the file, else of a map beside it."""
        return super().names if self.label_map else dict(self._names)

    def place(self, images: Sequence[np.ndarray]) -> list[tuple[list[int], np.ndarray]]:
        """Batches of images of one size, or single ones: (their places among the images, what the model takes)."""
        together = groups_of([image.shape for image in images])
        if not self.takes_batches:
            together = [[index] for index in range(len(images))]
        return [(each, np.stack([images[index] for index in each]).astype(self._input.dtype)) for each in together]

    def run(self, placed: Sequence[tuple[list[int], np.ndarray]]) -> list[Detections]:
        """The objects in each of the images that were placed."""
        found: dict[int, Detections] = {}
        for indices, inputs in placed:
            outputs = self._outputs(inputs)
            for place, index in enumerate(indices):
                found[index] = self.named(Detections.from_outputs(outputs, place))
        return [found[index] for index in range(len(found))]

    @abc.abstractmethod
    def answer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name, of READ those that there are."""

    def _outputs(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        try:
            return self.answer(inputs)
        except Exception as error:  # each runtime has errors of its own
            raise DataError(f"{self.path} fails on images of shape {size_in_words(inputs.shape)}: {error}") from error


def require_cpu(devices: str, runtime: str) -> None:
    """Raises OdtkError for devices that are not the CPU."""
    if devices != "auto" and parse_devices(devices)[0] != CPU:
        raise OdtkError(
            f"{runtime} runs models on the CPU here, not on {devices}. Take auto or cpu, or give a SavedModel, which "
            "TensorFlow runs on a GPU.",
            argument="devices",
        )


def _checked(path: str, takes: Input | None, outputs: Sequence[str]) -> Input:
    """The input of a detector of images; CheckpointError for any other file, which says what it is instead."""
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing or takes is None:
        has = f"{', '.join(outputs[:6])}{', ...' if len(outputs) > 6 else ''}" if missing else "several inputs"
        raise CheckpointError(
            f"{path} is not a detector in TFOD's form: it should take one image tensor and return "
            f"{', '.join(OUTPUTS)}, but has {has}. Give a file of `odtk export`, or one converted from its or TFOD's "
            "SavedModel."
        )
    fitting = [kind for kind in INPUT_TYPES.values() if len(kind.shape) == 4]
    if takes.dtype not in [kind.dtype for kind in fitting] or len(takes.shape) != 4 or takes.shape[3] != 3:
        shape = size_in_words(["?" if side is None else side for side in takes.shape])  # type: ignore[misc]
        raise CheckpointError(
            f"{path} takes {takes.dtype} [{shape}]; expected images, {' or '.join(kind.dtype for kind in fitting)} "
            f"[batch, height, width, 3]. Export it again with input type {fitting[0].name}."
        )
    return takes


def _label_map_of(path: str, label_map: str | os.PathLike | None, is_needed: bool) -> str | Path | None:
    """The one that was given, else, if one is needed, that of the exported folder; None if there is neither."""
    if label_map:
        return files.as_path(read_map(label_map)[0])
    folder = os.path.dirname(path)
    places = [files.join(each, LABEL_MAP) for each in (folder or os.curdir, files.join(folder, os.pardir))]
    return next((files.as_path(place) for place in places if is_needed and files.exists(place)), None)
