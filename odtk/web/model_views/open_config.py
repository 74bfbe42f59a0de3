"""A project's config as a page works on it: its text, its check, and what it was before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from odtk import pipeline, resources
from odtk.errors import ConfigError
from odtk.web.model_views.config_edits import Check, checker
from odtk.web.model_views.config_history import ConfigHistory, digest_of
from odtk.web.projects import Project, project_called
from odtk.web.workspace import OutsideError, Workspace

PLACEHOLDER = "PATH_TO_BE_CONFIGURED"
MAX_FORM = 4_000_000
"""Bytes of a form that has the text of a config."""


@dataclass(frozen=True)
class OpenConfig:
    """The config of a project, as it is now."""

    project: Project
    text: str

    @property
    def shown(self) -> str:
        """Its path as commands name it."""
        return self.project.workspace.shown(self.project.config)

    @property
    def digest(self) -> str:
        """Of the text."""
        return digest_of(self.text)

    @property
    def history(self) -> ConfigHistory:
        """What it was before."""
        return ConfigHistory(self.project)

    @property
    def check(self) -> Check:
        """Finds what is wrong with a text of it."""
        return checker(self.shown, self.project.workspace.folder)

    def parsed(self, text: str | None = None):
        """The message of its text, or of another one of it. Raises ConfigError."""
        return pipeline.parse(self.text if text is None else text, self.shown)


def open_config(workspace: Workspace, name: str) -> OpenConfig:
    """The config of a project. Raises OdtkError if there is no such project, or its config cannot be read."""
    project = project_called(workspace, name)
    if not project.config.exists():
        raise ConfigError(
            f"The project {name} has no {workspace.shown(project.config)}. Make one: odtk configure --list names bases."
        )
    return OpenConfig(project, ConfigHistory(project).now())


def require_inside(workspace: Workspace, config, before=None) -> None:
    """Raises OutsideError if a config names a path that lies neither in the workspace nor below a root.

    Names of shipped label maps, paths that are still to be set, and those that `before` names, too, are fine.
    """
    known = set(_paths(before)) if before is not None else set()
    label_maps = resources.shipped_files("label_maps", ".pbtxt")
    for path in _paths(config):
        is_to_be_set = path.startswith(PLACEHOLDER) and ".." not in path.split("/")
        if path in known or is_to_be_set or path.removesuffix(".pbtxt") in label_maps:
            continue
        if "://" in path:
            raise OutsideError(f"{path!r} is no path on this machine. The studio works on folders here.")
        workspace.inside(path)


def _paths(config) -> Iterator[str]:
    for reader in (config.train_input_reader, *config.eval_input_reader):
        yield from filter(None, [reader.label_map_path, *reader.tf_record_input_reader.input_path])
    yield from filter(None, [config.train_config.fine_tune_checkpoint, os.fspath(config.eval_config.export_path)])
