"""Opens whatever holds a trained model: an exported folder or file, a model dir, or one checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from odtk import files, pipeline
from odtk.errors import CheckpointError, ConfigError, OdtkError
from odtk.exporting import runtime
from odtk.exporting.formats import DEFAULT, FORMATS
from odtk.exporting.label_maps import find_label_map, read_map
from odtk.exporting.model import Model, naming

if TYPE_CHECKING:
    from odtk.exporting.trained_model import TrainedModel
    from odtk.protos import pipeline_pb2

EXPORTED, TRAINED = "exported model", "checkpoint"
"""What a path to a model leads to, see `kind_of`."""

CONFIG = "pipeline.config"
_INSIDE = ("checkpoint", "best")  # folders of an exported model and a model dir that hold checkpoints


def open_model(
    path: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    log: Callable[[str], None] = lambda line: None,
) -> Model:
    """The model that a path leads to; see `load`."""
    if kind_of(path) == TRAINED:
        return open_trained(path, checkpoint, label_map=label_map, devices=devices, log=log)
    if checkpoint is not None:
        raise OdtkError(
            f"{path} is an exported model, which has one set of weights. To choose among checkpoints, give the model "
            "dir instead.",
            argument="checkpoint",
        )
    name, place = _exported(path) or (DEFAULT, path)
    row = FORMATS[name]
    assert row.load is not None  # that is what makes it one
    if row.needs is not None:
        row.needs.require(f"{place}, a model in the format {name},")
    return row.load(place, label_map=label_map, devices=devices)


def load(
    model: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    log: Callable[[str], None] = lambda line: None,
) -> Model:
    """A trained model, to detect objects in images: `odtk.load(model).detect("cat.jpg")`.

    `model` is a folder of `odtk export` or TFOD's exporter, one of its models (a file such as model.onnx), a model dir
    or a checkpoint. Of a folder with models in several formats, the SavedModel is taken. Loading a SavedModel runs its
    author's code: only load models that you trust. `checkpoint` chooses that of a model dir: "best", "last" or a
    prefix; None for the best where there is one, else the last; `log` is told which it is. Names of classes come from
    `label_map` (a file, or a shipped map's name), else from the one that the model was trained with; without one,
    classes are named by number. `devices` is what it runs on: "cpu" or one GPU ("gpu:1"), while the other GPUs are
    hidden from TensorFlow, or "auto", the first GPU, else the CPU. Raises CheckpointError if there is no detector in
    it, or if it does not take images; ConfigError if it cannot be built; LabelMapError if the label map cannot be read;
    OdtkError for devices that are not there, or several.
    """
    return open_model(model, checkpoint, label_map=label_map, devices=devices, log=log)


def open_trained(
    path: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    pipeline_config: str | os.PathLike | None = None,
    label_map: str | os.PathLike | None = None,
    devices: str = "auto",
    log: Callable[[str], None] = lambda line: None,
    verb: str = "Using",
) -> TrainedModel:
    """The model of a checkpoint, built and restored, whose `detector` can be looked into; see `load`.

    `path` may be an exported folder, too, whose own checkpoint is restored then. `pipeline_config` is what it is built
    from, None for the one beside the checkpoint. `verb` begins the line on the checkpoint that `log` is given.
    """
    if label_map:
        read_map(label_map)  # errors come before the seconds that TensorFlow takes to import
    from odtk.checkpoints.best import choose_checkpoint
    from odtk.detectors.trained import build_trained_detector
    from odtk.exporting.trained_model import TrainedModel

    device = runtime.device_of(devices)
    prefix = choose_checkpoint(path, checkpoint, log, verb)
    config = read_config(pipeline_config or config_of(prefix))
    detector, reader = build_trained_detector(config, prefix, None, lambda line: None, verb)
    map_path = read_map(label_map)[0] if label_map else find_label_map(config, prefix)
    model = TrainedModel(detector, config, prefix, reader.step, naming(map_path), device)
    model.label_map = None if map_path is None else files.as_path(map_path)
    return model


def kind_of(path: str | os.PathLike) -> str:
    """EXPORTED or TRAINED, without loading anything; raises CheckpointError if there is no model."""
    place = os.fspath(path)
    if _exported(path):
        return EXPORTED
    if files.exists(f"{place}.index") or any(map(_has_checkpoint, (place, *(files.join(place, n) for n in _INSIDE)))):
        return TRAINED
    what = "holds no model" if files.is_folder(place) else "is not a model" if files.exists(place) else "does not exist"
    raise CheckpointError(
        f"{place} {what}. Give an output folder of `odtk export` (with saved_model/saved_model.pb) or one of its "
        "models, a model dir of `odtk train`, or one of its checkpoints (model/ckpt-600)."
    )


def _exported(path: str | os.PathLike) -> tuple[str, str] | None:
    """The format and the place of an exported model: the file or folder itself, or the first one in a folder."""
    place = os.fspath(path)
    if any(files.exists(files.join(folder, "saved_model.pb")) for folder in (files.join(place, "saved_model"), place)):
        return DEFAULT, place  # which has the label map of the folder around it
    for name, row in FORMATS.items():
        if row.load is None:
            continue
        if row.suffix and place.endswith(row.suffix) and files.exists(place):
            return name, place
        if row.inside and _holds(place, row.inside):
            return name, place
        if name != DEFAULT and files.exists(files.join(place, row.path)):
            return name, files.join(place, row.path)
    return None


def _holds(folder: str, pattern: str) -> bool:
    """Whether a folder has a file of the pattern; in a store, of a pattern that is a name."""
    if files.is_remote(folder):
        return "*" not in pattern and files.exists(files.join(folder, pattern))
    return any(Path(folder).glob(pattern))


def config_of(prefix: str | os.PathLike) -> str:
    """The pipeline.config beside a checkpoint, or in the folder around it; raises ConfigError."""
    folder = os.path.dirname(os.fspath(prefix))
    places = [folder, os.path.dirname(folder)] if os.path.basename(folder) in _INSIDE else [folder]
    for place in places:
        if files.exists(files.join(place, CONFIG)):
            return files.join(place, CONFIG)
    raise ConfigError(
        f"{folder or os.curdir} has no {CONFIG}, from which the model of {prefix} is built. Copy the one that it was "
        "trained with there."
    )


def read_config(path: str | os.PathLike) -> pipeline_pb2.TrainEvalPipelineConfig:
    """The message of a pipeline.config, which may be in a store; raises ConfigError."""
    if not files.is_remote(path):
        return pipeline.read(path)
    try:
        return pipeline.parse(files.read_text(path), os.fspath(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def _has_checkpoint(folder: str) -> bool:
    return any(name.endswith(".index") for name in files.names_in(folder))
