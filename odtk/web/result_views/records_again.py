"""The command that makes a project's records again, from the data that it names, with the options that they have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odtk import pipeline, resources
from odtk.errors import OdtkError, ProjectError
from odtk.records import shards
from odtk.web.commands import Command, command
from odtk.web.project_options import option_words, read_options, values_of
from odtk.web.projects import Project

_SECTION = "make-tfrecords"
_PLACES = ("data-dir", "output-dir", "write-label-map")
# Two of which the other says nothing: what was recognized, and paths, which may be written in several ways.
_NOT_COMPARED = ("format", "label-map", "split", "max-bad-fraction", "workers", "runner", "runner-options")


def records_again_command(project: Project) -> Command:
    """`odtk make-tfrecords DATA RECORDS ... --overwrite`, with the options of the records that the config trains on.

    Raises OdtkError if it is not known what they are made of, or how: with other options, images that were for
    validation would be trained on.
    """
    section = project.sections().get(_SECTION, {})
    if "data-dir" not in section:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    shown = project.workspace.shown
    records = records_folder(project)
    said, made = _said_options(project), _made_options(project, records)
    if not said and made is None:
        raise OdtkError(
            f"It is not known with which options {shown(records)} was made, so it is not made again: images that were "
            "for validation could be trained on. Write the options into the section make-tfrecords of "
            f"{shown(project.file)}, such as val-fraction: 0.3, or make records of the data on the page Data and begin "
            "a project with them."
        )
    _require_same(project, records, said, made)
    options = {**(made or {}), **said}
    rest = option_words(project, _SECTION, options)
    # The classes keep their numbers, also if a correction leaves one of them without boxes.
    own_map = project.run / "label_map.pbtxt"
    rest += ["--label-map", shown(own_map)] if "label-map" not in options and own_map.exists() else []
    data = project.workspace.inside(project.folder / str(section["data-dir"]))
    return command(_SECTION, shown(data), shown(records), *rest, "--overwrite")


def records_folder(project: Project) -> Path:
    """The folder of the records that the config trains on; OdtkError if that is not below the workspace."""
    paths = list(pipeline.read(project.config).train_input_reader.tf_record_input_reader.input_path)
    folder = project.workspace.inside(os.path.dirname(paths[0])) if paths else None
    if folder is None or not folder.is_relative_to(project.workspace.folder):
        raise OdtkError("The config's training records are not in the workspace, so they are not made again here.")
    return folder


def options_of_records(project: Project) -> dict[str, Any]:
    """The options of the project's records, by their names, as far as they are known."""
    try:
        made = _made_options(project, records_folder(project))
    except OdtkError:  # of records elsewhere
        made = None
    return {**(made or {}), **_said_options(project)}


def _said_options(project: Project) -> dict[str, Any]:
    """Those in the project file."""
    found = read_options(project, _SECTION, {"data-dir": ".", "output-dir": None})
    return {name: value for name, value in found.items() if name not in _PLACES}


def _made_options(project: Project, records: Path) -> dict[str, Any] | None:
    """Those that make-tfrecords noted beside the records; None if it did not, or they are none that may be repeated."""
    found = shards.chosen_options(records)
    if found is None or not found.keys().isdisjoint(_PLACES):
        return None
    try:
        values = values_of(_SECTION, {"data-dir": ".", **found}, shards.DATASET_FILE)
        return {name: _allowed(project, name, value) for name, value in values.items() if name not in _PLACES}
    except OdtkError:  # also for a path that the studio may not read
        return None


def _allowed(project: Project, name: str, value: Any) -> Any:
    """The value, with a path as the project file has it; OutsideError for one that the studio may not read."""
    if name == "split":
        return {split: _path(project, place) for split, place in value.items()}
    if name == "label-map" and value not in resources.shipped_files("label_maps", ".pbtxt"):
        return _path(project, value)
    return value


def _path(project: Project, place: str) -> str:
    return project.relative(project.workspace.inside(place))


def _require_same(project: Project, records: Path, said: Mapping[str, Any], made: Mapping[str, Any] | None) -> None:
    """Raises OdtkError if the project file and the records do not say the same."""
    from odtk.tools.run.keys import SECTIONS

    if not said or made is None:
        return
    keys = SECTIONS[_SECTION].keys
    for name in sorted({*said, *made} - {*_NOT_COMPARED}):
        wanted, found = (options.get(name, keys[name].default) for options in (said, made))
        if wanted != found:
            shown = project.workspace.shown
            raise ProjectError(
                f"{shown(records)} was made with {_as_key(name, found)}, but {shown(project.file)} says "
                f"{_as_key(name, wanted)}. Write into its section {_SECTION} what is to be."
            )


def _as_key(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name}: {str(value).lower() if isinstance(value, bool) else value}"
