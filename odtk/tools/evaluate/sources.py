"""What is evaluated: a checkpoint, an exported model, or detections that any tool wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass

from odtk import files
from odtk.errors import CheckpointError, ConfigError, OdtkError
from odtk.exporting.open_model import CONFIG, EXPORTED, TRAINED, config_of, kind_of

RESULTS = "detections"
"""The third kind of a source, beside EXPORTED and TRAINED."""

ALL = "all"
"""The `checkpoint` that means every one of a model dir."""


@dataclass(frozen=True)
class Source:
    """One model: `path` is a model dir or a prefix (TRAINED), an exported folder, or a file of COCO results."""

    kind: str
    path: str
    config_path: str | None  # its pipeline.config; None if it has none, which only a TRAINED one needs
    checkpoint: str | None = None  # of a TRAINED one: "best", "last" or a prefix; None: see choose_checkpoint


def find_source(
    path: str | os.PathLike,
    pipeline_config: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    argument: str | None = None,
) -> Source:
    """What is at `path`; nothing is loaded. `argument` is the one of the tool that named it, if not the model itself.

    Raises CheckpointError or ConfigError if it is no model, OdtkError for a `checkpoint` of what has none.
    """
    place = os.fspath(path)
    if place.endswith(".config"):
        raise ConfigError(
            f"{place} is a config. Give a model, too: a model dir, a checkpoint, an exported model, or the JSON file "
            "of its detections.",
            argument=argument,
        )
    kind = _kind(place, pipeline_config)
    if kind != TRAINED and checkpoint is not None:
        what = "the detections of one model" if kind == RESULTS else "an exported model, which has one set of weights"
        raise OdtkError(
            f"{place} is {what}. To choose among checkpoints, give the model dir.", argument=argument or "checkpoint"
        )
    config = None if pipeline_config is None else os.fspath(pipeline_config)
    chosen = None if checkpoint is None else os.fspath(checkpoint)
    return Source(kind, place, config or _own_config(kind, place), chosen)


def _kind(place: str, pipeline_config: object) -> str:
    if place.endswith(".json"):
        return RESULTS
    try:
        return kind_of(place)
    except CheckpointError:
        if pipeline_config is None:
            raise
        return TRAINED  # the checkpoint may be elsewhere; whoever opens it says what is missing


def _own_config(kind: str, place: str) -> str | None:
    """The pipeline.config of a model; raises ConfigError if a checkpoint has none."""
    if kind == TRAINED and not files.is_folder(place):
        return config_of(place)
    places = [place, os.path.dirname(place.rstrip("/"))] if kind == EXPORTED else [place]  # the SavedModel itself
    found = [files.join(each, CONFIG) for each in places if kind != RESULTS]
    there = next((each for each in found if files.exists(each)), None)
    if there is None and kind == TRAINED:
        raise ConfigError(
            f"{place} has no {CONFIG}, from which its model is built. Give the one that it was trained with, before it."
        )
    return there
