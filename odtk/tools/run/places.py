"""Where stages write: not where another one writes, and not over what they read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from odtk import files
from odtk.errors import ProjectError
from odtk.tools.run import lock_file
from odtk.tools.run.keys import MADE
from odtk.tools.run.project import Project

_READ = {
    ("make-tfrecords", "data_dir"): "the data",
    ("configure", "base"): "the base of the config",
    ("train", "pipeline_config"): "the config of train",
    ("predict", "images"): "images of predict",
}


def check_places(project: Project) -> None:
    """Raises ProjectError if a stage would write where another one does, or where what it replaces holds an input."""
    kept = dict(_read(project))
    for name, key in MADE:
        if name not in project.stages:
            continue
        arguments = project.stages[name].arguments(project.folder)
        if name == "make-tfrecords" and _real(project.output) == _real(arguments["data_dir"]):
            raise ProjectError(
                f"{project.where(name, 'data-dir')}: {project.output} is the folder of the data and of all outputs. "
                "Give output another folder, such as runs."
            )
        place = arguments[key.replace("-", "_")]
        real = _real(place)
        found = next((each for each in kept if each == real or each.startswith(os.path.join(real, ""))), None)
        if found:
            verb = "is" if found == real else f"holds {found},"
            raise ProjectError(
                f"{project.where(name, key)}: {name} would replace {place}, which {verb} {kept[found]}. Give {key} "
                "another path."
            )
        kept[real] = f"what {name} writes"


def _read(project: Project) -> Iterator[tuple[str, str]]:
    """Real path to what it is, of all that no stage may replace."""
    yield _real(project.path), "the project file"
    yield _real(lock_file.path_of(project.path)), "the lock of this project"
    configure = project.stages.get("configure")
    config = _real(configure.arguments(project.folder)["output"]) if configure else None
    for (name, key), what in _READ.items():
        if name not in project.stages:
            continue
        found = project.stages[name].arguments(project.folder)[key]
        for place in found if isinstance(found, list) else [found]:
            is_made = name == "train" and _real(place) == config
            if os.path.exists(place) and not is_made:  # a shipped file's name is no path
                yield _real(place), what


def _real(place: str) -> str:
    return place.rstrip("/") if files.is_remote(place) else os.path.realpath(place)
