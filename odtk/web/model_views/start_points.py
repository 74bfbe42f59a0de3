"""What a training may start from: random weights, or a checkpoint that is here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odtk.checkpoints.files import prefixes_in
from odtk.detectors import families
from odtk.errors import OdtkError
from odtk.tools.download import catalog
from odtk.tools.zoo_checkpoints import checkpoints_here
from odtk.web.workspace import Workspace

DOWNLOADS = "downloads"
"""The folder of the workspace that zoo models are downloaded to."""


@dataclass(frozen=True)
class StartPoint:
    """A checkpoint to start from, or none."""

    prefix: str
    title: str


def start_points(workspace: Workspace, config) -> list[StartPoint]:
    """Random weights, what the config names, and the checkpoints in the workspace and below the roots."""
    named = config.train_config.fine_tune_checkpoint
    found = {"": "Random weights (from scratch)"}
    for name, prefix in checkpoints_here(zoo_folders(workspace)).items():
        found.setdefault(os.path.abspath(prefix), f"COCO, for {name}")
    for prefix in _of_runs(workspace):
        found.setdefault(prefix, workspace.shown(prefix))
    if named and named not in found:
        missing = "" if os.path.exists(workspace.folder / f"{named}.index") else " (not here)"
        found[named] = f"{workspace.shown(named) if os.path.isabs(named) else named}{missing}"
    return [StartPoint(prefix, title) for prefix, title in found.items()]


def zoo_folders(workspace: Workspace) -> list[str]:
    """Where models of the zoo are looked for."""
    return [os.fspath(workspace.folder / DOWNLOADS), *map(os.fspath, workspace.roots)]


def zoo_models_for(config) -> list[catalog.ZooModel]:
    """The models of the zoo that have the config's type of feature extractor."""
    kind = families.type_of(config.model)
    return [model for model in catalog.models().values() if kind and model.type == kind and model.trainable]


def _of_runs(workspace: Workspace) -> Iterator[str]:
    """The best and the last checkpoint of each run."""
    for run in sorted(workspace.runs.glob("*")):
        for folder in (run / "best", run):
            newest = _newest(folder)
            if newest is not None:
                yield newest


def _newest(folder: Path) -> str | None:
    try:
        return next(iter(prefixes_in(folder)), None) if folder.is_dir() else None
    except OdtkError:
        return None
