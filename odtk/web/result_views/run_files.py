"""A project's run, as its files say it: whether there is a model, which, and of which classes."""

from __future__ import annotations

from odtk import label_map
from odtk.errors import OdtkError
from odtk.web.projects import Project
from odtk.web.projects import dataset_folder as dataset_folder  # for the pages of results

_STATES = ("best/checkpoint", "checkpoint")


def has_model(project: Project) -> bool:
    """Whether there is a checkpoint to use."""
    return any((project.run / name).exists() for name in _STATES)


def require_model(project: Project) -> None:
    """Raises OdtkError if there is none."""
    if not has_model(project):
        raise OdtkError(
            f"{project.workspace.shown(project.run)} has no checkpoint yet. Train first, or wait for the first one."
        )


def model_version(project: Project) -> tuple[float, ...]:
    """What changes when the run has another best or last checkpoint."""
    files = [project.run / name for name in (*_STATES, "label_map.pbtxt")]
    return tuple(path.stat().st_mtime if path.exists() else 0.0 for path in files)


def class_names(project: Project) -> dict[int, str]:
    """The classes of the run by their ids from 1; empty if it has no label map."""
    path = project.run / "label_map.pbtxt"
    if not path.exists():
        return {}
    return {each["id"]: each["name"] for each in label_map.read(path).categories()}
