"""The commands that a project's pages have run: they stand at the foot of the page, after a restart, too."""

from __future__ import annotations

import json
from pathlib import Path

from odtk.atomic import write_text
from odtk.web.commands import Command
from odtk.web.projects import Project

_KEPT = 20


def note(project: Project, command: Command) -> None:
    """Adds a command that was run."""
    kept = [*_read(project), [command.module, *command.words]]
    _file(project).parent.mkdir(parents=True, exist_ok=True)
    write_text(_file(project), json.dumps(kept[-_KEPT:]))


def done(project: Project) -> list[Command]:
    """The last ones, in their order."""
    return [Command(tuple(words), module) for module, *words in _read(project)]


def _read(project: Project) -> list[list[str]]:
    try:
        return json.loads(_file(project).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []


def _file(project: Project) -> Path:
    return project.workspace.hidden / "configs" / project.name / "commands.json"
