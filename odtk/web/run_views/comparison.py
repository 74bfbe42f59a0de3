"""Runs beside each other: what of their configs and options differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.errors import OdtkError
from odtk.web.projects import Project
from odtk.web.run_views import run_folder
from odtk.web.run_views.line_chart import NUM_COLORS
from odtk.web.run_views.training_command import training_options

MOST = NUM_COLORS
"""Runs in one chart: as many as there are colors."""


@dataclass(frozen=True)
class Difference:
    """A field of the configs, or an option, and its value in each run; None where it has none."""

    name: str
    values: Sequence[str | None]


def config_of(project: Project) -> Path:
    """The config that a run was trained with; before its first training that of the project."""
    trained = project.run / run_folder.CONFIG
    return trained if trained.exists() else project.config


def config_differences(projects: Sequence[Project]) -> list[Difference]:
    """The fields whose values in effect differ between the first run and any other, in the order of the schema.

    Raises ConfigError for a config that cannot be read.
    """
    from odtk import pipeline
    from odtk.pipeline.differences import effective_changes

    configs = [pipeline.read(config_of(project)) for project in projects]
    changes = [{change.path: change for change in effective_changes(configs[0], other)} for other in configs[1:]]
    found = []
    for path in dict.fromkeys(path for each in changes for path in each):
        first = next(each[path].before for each in changes if path in each)
        found.append(Difference(path, [first, *(each[path].after if path in each else first for each in changes)]))
    return found


def option_differences(projects: Sequence[Project]) -> list[Difference]:
    """The options of `odtk train` that differ: those that a run was trained with last, else its project file's."""
    options = [_options(project) for project in projects]
    names = list(dict.fromkeys(name for each in options for name in each))
    rows = [Difference(name, [_shown(each.get(name)) for each in options]) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]


def _options(project: Project) -> Mapping[str, Any]:
    if sessions := run_folder.sessions(project.run):
        return {name.replace("_", "-"): value for name, value in sessions[-1].arguments.items()}
    try:
        return training_options(project)
    except OdtkError:  # its own page says what is wrong
        return {}


def _shown(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
