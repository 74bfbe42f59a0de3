"""Projects of a workspace: each is an `odtk run` file beside a pipeline.config, with its run and its exports."""

from __future__ import annotations

import itertools
import os
import shlex
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from odtk.atomic import write_text
from odtk.errors import OdtkError, ProjectError
from odtk.web.workspace import Workspace, valid_name

_UPDATING = threading.Lock()  # pages update from several threads
_NEW = "new"  # /projects/new
_LONGEST_NAME = 64  # letters

_HEAD = """\
# A project of odtk's studio. `odtk run {name}` repeats it from the data on, in a folder of its own.
"""


@dataclass(frozen=True)
class Project:
    """The places of one project; what does not exist yet is made by the commands."""

    workspace: Workspace
    name: str

    @property
    def folder(self) -> Path:
        """Of the project file and the config."""
        return self.workspace.projects / self.name

    @property
    def file(self) -> Path:
        """The project file, which `odtk run` reads."""
        return self.folder / "project.yaml"

    @property
    def config(self) -> Path:
        """The pipeline.config that is edited and trained with."""
        return self.folder / "pipeline.config"

    @property
    def run(self) -> Path:
        """The model dir."""
        return self.workspace.runs / self.name

    @property
    def exports(self) -> Path:
        """A folder with a folder per export."""
        return self.workspace.exports / self.name

    def sections(self) -> dict[str, dict[str, Any]]:
        """The project file: section ("make-tfrecords", "train" ...) to its keys. Raises ProjectError."""
        try:
            found = yaml.safe_load(self.file.read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ProjectError(f"{self.file} cannot be read as a project file: {error}.") from error
        if not isinstance(found, dict):
            raise ProjectError(f"{self.file} has no sections. Name a section for each stage, such as train.")
        return {str(name): dict(keys) if isinstance(keys, dict) else {} for name, keys in found.items()}

    def update(self, section: str, values: Mapping[str, Any]) -> None:
        """Sets keys of a section of the project file; a value of None takes a key out."""
        with _UPDATING:
            sections = self.sections() if self.file.exists() else {}
            keys = {**sections.get(section, {}), **values}
            sections[section] = {key: value for key, value in keys.items() if value is not None}
            self._write(sections)

    def _write(self, sections: Mapping[str, Mapping[str, Any]]) -> None:
        text = yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True)
        write_text(self.file, _HEAD.format(name=shlex.quote(self.workspace.shown(self.file))) + text)

    def relative(self, path: str | os.PathLike) -> str:
        """A path as the project file names it: relative to its folder where it lies in the workspace."""
        found = Path(path)
        return os.path.relpath(found, self.folder) if found.is_relative_to(self.workspace.folder) else os.fspath(found)


class NoProjectError(OdtkError):
    """There is no project of this name."""


def all_projects(workspace: Workspace) -> list[Project]:
    """The projects of a workspace, the one that changed last first."""
    found = [Project(workspace, path.parent.name) for path in workspace.projects.glob("*/project.yaml")]
    return sorted(found, key=lambda project: project.file.stat().st_mtime, reverse=True)


def project_called(workspace: Workspace, name: str) -> Project:
    """A project by its name; NoProjectError if there is none."""
    found = Project(workspace, valid_name(name, "A project"))
    if not found.file.exists():
        raise NoProjectError(f"There is no project {name!r} in {workspace.folder}.")
    return found


def create_project(workspace: Workspace, name: str, sections: Mapping[str, Mapping[str, Any]]) -> Project:
    """Makes a project of these sections; OdtkError if there is one of that name, or a run that it would go on with."""
    found = Project(workspace, valid_name(name, "A project"))
    if name == _NEW:
        raise OdtkError(f"A project cannot be called {name!r}: that is the page on which projects are made.")
    for path in (found.folder, found.run, found.exports):
        if path.exists():
            raise _taken(workspace, path)
    try:
        found.folder.mkdir(parents=True)
    except FileExistsError as error:  # made meanwhile
        raise _taken(workspace, found.folder) from error
    found._write(sections)
    return found


def _taken(workspace: Workspace, path: Path) -> OdtkError:
    return OdtkError(f"{workspace.shown(path)} exists already. Choose another name.")


def copy_project(project: Project, name: str) -> Project:
    """A project of another name with the same data, options and config, and no run yet."""
    made = create_project(project.workspace, name, project.sections())
    if project.config.exists():
        write_text(made.config, project.config.read_text(encoding="utf-8"))
    return made


def free_name(project: Project) -> str:
    """A name for a copy of the project: pets-2, or pets-3 for a copy of pets-2; no project, run or export has it."""
    stem, _, number = project.name.rpartition("-")
    stem, first = (stem, int(number) + 1) if stem and number.isdecimal() and len(number) < 6 else (project.name, 2)
    for each in itertools.count(first):
        name = f"{stem[: _LONGEST_NAME - len(f'-{each}')]}-{each}"
        made = Project(project.workspace, name)
        if not any(path.exists() for path in (made.folder, made.run, made.exports)):
            return name
    raise AssertionError("numbers do not end")
