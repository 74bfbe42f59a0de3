"""A new project: its records, the config that it begins with, and its project file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk import pipeline
from odtk.atomic import write_text
from odtk.datasets.record_files import record_sets
from odtk.errors import ConfigError, DataError, OdtkError
from odtk.tools.zoo_checkpoints import checkpoints_here
from odtk.web.commands import Command, command
from odtk.web.model_views.open_config import require_inside
from odtk.web.model_views.pipeline_cards import card_called
from odtk.web.model_views.start_points import zoo_folders
from odtk.web.projects import Project, create_project
from odtk.web.workspace import Workspace

PRETRAINED, SCRATCH = "pretrained", "scratch"
OWN = "own"


@dataclass(frozen=True)
class NewProject:
    """What the form for a new project says."""

    name: str
    records: str
    base: str
    """A shipped pipeline's name, or OWN."""
    start: str
    own_path: str = ""
    own_text: str = ""


def record_folders(workspace: Workspace) -> list[str]:
    """The folders of the workspace with records, as commands name them, the newest first."""
    found = [path for path in workspace.records.glob("*") if path.is_dir() and record_sets(path)]
    return [workspace.shown(path) for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def create(
    workspace: Workspace, asked: NewProject, made_by: Mapping[str, Any] | None = None
) -> tuple[Project, Command]:
    """Makes a project's folder and file, and returns the command that makes its config.

    `made_by` is the make-tfrecords section of its records, if they were made in the studio, with paths from the
    workspace.
    Raises OdtkError for a name that is taken, records that are not there, and a base that cannot be read.
    """
    if asked.name == "new":
        raise OdtkError("A project cannot be called 'new', which is the address of this page. Choose another name.")
    records = _records(workspace, asked.records)
    base = _base(workspace, asked)
    sections: dict[str, dict[str, Any]] = {"train": {"pipeline-config": "pipeline.config"}, "evaluate": {}}
    sections["export"] = {"format": "saved_model"}
    if made_by is not None:
        sections = {"make-tfrecords": _relative(Project(workspace, asked.name), made_by)} | sections
    project = create_project(workspace, asked.name, sections)
    if isinstance(base, str):
        # An own config lies in the project from the beginning, and is edited in place.
        write_text(project.config, base)
    source = workspace.shown(project.config) if isinstance(base, str) else base.name
    words = ["configure", source, "--output", workspace.shown(project.config), "--train-records", records]
    return project, command(*words, *_start(workspace, asked), "--json")


def _relative(project: Project, section: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose paths are as commands in the workspace take them, with paths from the project's folder."""
    folder, kept = project.workspace.folder, dict(section)
    for key in ("data-dir", "label-map"):
        if key in kept and (folder / kept[key]).exists():
            kept[key] = project.relative(folder / kept[key])
    return kept


def _records(workspace: Workspace, given: str) -> str:
    if not given:
        raise DataError("Choose the records to train on: a folder that make-tfrecords has written.")
    place = workspace.inside(given)
    if not place.is_dir() or not record_sets(place):
        raise DataError(f"{workspace.shown(place)} has no records. Make some from your data first, on the page Data.")
    return workspace.shown(place)


def _base(workspace: Workspace, asked: NewProject) -> Path | str:
    """The place of a shipped pipeline, by its name, or the text of an own config."""
    if asked.base != OWN:
        if card_called(asked.base) is None:
            raise ConfigError("Choose a pipeline to begin with.")
        return Path(asked.base)
    if asked.own_text.strip():
        text = asked.own_text.replace("\r\n", "\n")
    elif asked.own_path:
        text = pipeline.read_text(workspace.inside(asked.own_path))
    else:
        raise ConfigError("Paste a pipeline.config, or name its path below the studio's folders.")
    pipeline.parse(text, "pipeline.config")
    return text


def _start(workspace: Workspace, asked: NewProject) -> list[str]:
    """The options for what training starts from."""
    if asked.base == OWN:
        return []
    card = card_called(asked.base)
    assert card is not None
    if card.zoo_model is None:
        return []
    if asked.start == SCRATCH:
        return ["--fine-tune-checkpoint", ""]
    here = checkpoints_here(zoo_folders(workspace)).get(card.name)
    return ["--fine-tune-checkpoint", workspace.shown(here)] if here else []


def require_usable(project: Project) -> None:
    """Raises OutsideError if the config that was made still names paths that the studio may not read."""
    require_inside(project.workspace, pipeline.read(project.config))


def forget(project: Project) -> None:
    """Removes a project whose config could not be made: two files and their folder."""
    for path in (project.config, project.file):
        path.unlink(missing_ok=True)
    try:
        os.rmdir(project.folder)
    except OSError as error:
        raise OdtkError(f"{project.folder} could not be removed: {error.strerror}.") from error
