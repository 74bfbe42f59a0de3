"""Projects of a workspace: each is an `odtk run` file beside a pipeline.config, with its run and its exports."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from odtk.atomic import write_bytes, write_text
from odtk.errors import OdtkError, ProjectError
from odtk.web import project_text
from odtk.web.workspace import Workspace, valid_name

_UPDATING = threading.Lock()  # pages update from several threads
_NEW = "new"  # /projects/new
_LONGEST_NAME = 64  # letters

_HEAD = """\
# A project of odtk's studio. `odtk run {name}` repeats it from the data on, in a folder of its own.
"""

# Where a run is, and what is made of it: keys of the file itself under "", and of its sections.
_PLACES = {
    "": ("output",),
    "configure": ("output",),
    "train": ("model-dir",),
    "evaluate": ("model-dir", "output-dir"),
    "export": ("model-dir", "output-dir"),
    "predict": ("model", "output"),
}


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
        """The project file: section ("make-tfrecords", "train" ...) to its keys, with values as they are written.

        What is no section, as `output`, has no keys. Raises ProjectError.
        """
        with self._reading():
            found = project_text.read_plain(self.text())
        return {name: keys if isinstance(keys, dict) else {} for name, keys in found.items()}

    def text(self) -> str:
        """The project file with the ends of its lines as they are. Raises ProjectError."""
        with self._reading():
            return self.file.read_bytes().decode()

    def update(self, section: str, values: Mapping[str, Any]) -> None:
        """Sets keys of a section of the project file; a value of None takes a key out. All else stays as it is."""
        with _UPDATING:
            before = self.text() if self.file.exists() else self.head
            with self._reading():
                edited = project_text.with_values(before, section, values)
            if edited != before:
                write_text(self.file, edited)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, yaml.YAMLError) as error:
            problem = " ".join(str(error).split()).rstrip(".")
            raise ProjectError(f"{self.file} cannot be read as a project file: {problem}.") from error

    @property
    def head(self) -> str:
        """The note with which the studio begins a project file."""
        return _HEAD.format(name=shlex.quote(self.workspace.shown(self.file)))

    def relative(self, path: str | os.PathLike) -> str:
        """A path as the project file names it: relative to its folder where it lies in the workspace."""
        found = Path(path)
        return os.path.relpath(found, self.folder) if found.is_relative_to(self.workspace.folder) else os.fspath(found)


def dataset_folder(project: Project) -> Path | None:
    """The folder of the annotated data that the records are made of; None if the project file names none."""
    named = project.sections().get("make-tfrecords", {}).get("data-dir")
    return (project.folder / str(named)).resolve() if named else None


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
    _make_folder(found)
    write_text(found.file, found.head + yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True))
    return found


def _make_folder(project: Project) -> None:
    if project.name == _NEW:
        raise OdtkError(f"A project cannot be called {_NEW!r}: that is the page on which projects are made.")
    for path in (project.folder, project.run, project.exports):
        if path.exists():
            raise _taken(project.workspace, path)
    try:
        project.folder.mkdir(parents=True)
    except FileExistsError as error:  # made meanwhile
        raise _taken(project.workspace, project.folder) from error


def _taken(workspace: Workspace, path: Path) -> OdtkError:
    return OdtkError(f"{workspace.shown(path)} exists already. Choose another name.")


def copy_project(project: Project, name: str) -> Project:
    """A project of another name with the same data, options and config, and no run yet.

    What its file says of the places of a run and of what is made of it stays away where that is outside its folder:
    two projects would write into one.
    """
    made = Project(project.workspace, valid_name(name, "A project"))
    text = project.text().replace(project.head, made.head, 1)
    with project._reading():
        found = project_text.read_plain(text)
        text = project_text.without_keys(text, _places_elsewhere(found))
    _make_folder(made)
    write_text(made.file, text)
    if project.config.exists():
        write_bytes(made.config, project.config.read_bytes())
    return made


def _places_elsewhere(found: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys of a project file's sections that name places of a run outside the project's folder."""
    keys = {}
    for section, names in _PLACES.items():
        owner = found if not section else found.get(section)
        given = {name: str(owner[name]) for name in names if owner.get(name)} if isinstance(owner, dict) else {}
        keys[section] = tuple(name for name, path in given.items() if _leads_out(path))
    return keys


def _leads_out(path: str) -> bool:
    return path.startswith("~") or os.path.isabs(path) or os.path.normpath(path).startswith("..") or "://" in path


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
