"""Weights alone: an .npz with each variable under its key in a TFOD checkpoint, and the texts that say what it is.

NumPy reads it without odtk and TensorFlow:

    with np.load("weights.npz") as file:
        weights = {key: file[key] for key in file if not key.startswith("odtk.")}

and `variable.assign(weights[key])` for each of `Detector.checkpoint_variables()` puts them into a detector.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from odtk import files, pipeline
from odtk.errors import CheckpointError
from odtk.exporting import embedded
from odtk.exporting.label_maps import read_map

if TYPE_CHECKING:
    from odtk.detectors.detector import Detector
    from odtk.exporting.formats import Source
    from odtk.exporting.trained_model import TrainedModel

STEP = "odtk.step"
"""The training step of the weights; absent if it is not known."""
_OWN = "odtk."
_NAMED = 5


def write(source: Source, path: str) -> None:
    """Writes the weights, bit for bit as the detector has them: averages of them if the config evaluates these."""
    arrays = {key: variable.numpy() for key, variable in source.detector.checkpoint_variables().items()}
    texts = {name: np.array(text) for name, text in embedded.texts_of(source).items()}
    step = {} if source.step is None else {STEP: np.array(source.step)}
    everything: dict[str, Any] = {**arrays, **texts, **step}
    with open(path, "wb") as file:  # with a name, NumPy would append its suffix
        np.savez(file, **everything)


def embed(path: str, certificate: str) -> None:
    """Puts a certificate, as JSON, beside the other texts."""
    with zipfile.ZipFile(path, "a") as archive, archive.open(f"{embedded.CERTIFICATE}.npy", "w") as file:
        np.lib.format.write_array(file, np.array(certificate))


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The weights by their keys, and the texts by their names (see odtk.exporting.embedded); CheckpointError."""
    try:
        with np.load(io.BytesIO(files.read_bytes(path)) if files.is_remote(path) else path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} cannot be read as weights: {error}. Export it again with `odtk export --format weights`."
        ) from error
    weights = {key: value for key, value in arrays.items() if not key.startswith(_OWN)}
    return weights, {key: str(value) for key, value in arrays.items() if key.startswith(_OWN)}


def assign(detector: Detector, weights: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Gives a detector the weights; CheckpointError, and nothing changes, unless they are exactly its variables'."""
    variables = detector.checkpoint_variables()
    different = [
        key for key in sorted({*variables, *weights})
        if key not in weights or key not in variables or weights[key].shape != tuple(variables[key].shape)
    ]  # fmt: skip
    if different:
        more = f" and {len(different) - _NAMED} more" * (len(different) > _NAMED)
        raise CheckpointError(
            f"The weights of {path} are not those of this model; missing, left over or of another shape are "
            f"{', '.join(different[:_NAMED])}{more}. Build the model from the config that was exported with them."
        )
    for key, variable in variables.items():
        variable.assign(weights[key])


def load(path: str | os.PathLike, *, label_map: str | os.PathLike | None = None, devices: str = "auto") -> TrainedModel:
    """The detector of a file of weights, built from the config in it; see odtk.load."""
    weights, texts = read(path)
    if embedded.CONFIG not in texts:
        raise CheckpointError(
            f"{path} has weights, but not the config of their model. Give a file of `odtk export --format weights`."
        )
    map_path = read_map(label_map)[0] if label_map else None
    config = pipeline.parse(texts[embedded.CONFIG], os.fspath(path))
    from odtk.detectors.build import build_detector
    from odtk.exporting import runtime
    from odtk.exporting.weights_model import WeightsModel

    device = runtime.device_of(devices)
    detector = build_detector(config)
    assign(detector, weights, path)
    step = int(texts[STEP]) if STEP in texts else None
    return WeightsModel(
        detector, config, os.fspath(path), step, embedded.names_in(texts, os.fspath(path)), map_path, device
    )
