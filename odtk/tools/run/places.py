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
    written: dict[str, str] = {}
    read = dict(_read(project))
    for name, key in MADE:
        if name not in project.stages:
            continue
        arguments = project.stages[name].arguments(project.folder)
        place = arguments[key.replace("-", "_")]
        where, real = project.where(name, key), _real(place)
        if name == "make-tfrecords" and _real(project.output) == _real(arguments["data_dir"]):
            raise ProjectError(
                f"{project.where(name, 'data-dir')}: {project.output} is the folder of the data and of all outputs. "
                "Give output another folder, such as runs."
            )
        if real in written:
            raise ProjectError(
                f"{where}: {name} would write to {place}, as {written[real]} does. Give {key} another path."
            )
        if name == "configure" and _real(arguments["base"]) == real:
            raise ProjectError(f"{where}: configure would write over its base {place}. Give output another path.")
        for other, what in (read | {other: f"what {maker} writes" for other, maker in written.items()}).items():
            if other == real or other.startswith(os.path.join(real, "")):
                verb = "is" if other == real else f"holds {other},"
                raise ProjectError(
                    f"{where}: {name} would replace {place}, which {verb} {what}. Give {key} another path."
                )
        written[real] = name


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
