"""The options of a project's stage, as its file has them: their values, and their words in a command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from odtk.web.projects import Project


def read_options(project: Project, stage: str, places: Mapping[str, str | None]) -> dict[str, Any]:
    """The options of a stage by their names, with values of their kinds.

    `places` are the stage's arguments, which are left out, with what stands in for those that the file lacks. Raises
    ProjectError for an option that `odtk run` would not take.
    """
    given = {name: place for name, place in places.items() if place is not None}
    # Other stages may not be complete yet, so the section is read alone.
    given |= project.sections().get(stage, {})
    values = values_of(stage, given, project.workspace.shown(project.file))
    return {key: value for key, value in values.items() if key not in places}


def values_of(stage: str, given: Mapping[str, Any], filename: str) -> dict[str, Any]:
    """Keys of a stage with values of their kinds; ProjectError for those that `odtk run` would not take."""
    from odtk.tools.run import project as project_files

    return dict(
        project_files.parse(yaml.safe_dump({stage: dict(given)}, sort_keys=False), filename).stages[stage].values
    )


def option_words(project: Project, stage: str, options: Mapping[str, Any]) -> list[str]:
    """What options are in a command of the workspace; their paths are from the project's folder."""
    from odtk.tools.run.project import Stage

    folder = os.path.dirname(project.workspace.shown(project.file))
    words = shlex.split(Stage(stage, options).command(folder))[2:]
    # projects/pets/../../data/map.pbtxt is data/map.pbtxt
    return [os.path.normpath(word) if word.startswith(f"{folder}/") else word for word in words]
