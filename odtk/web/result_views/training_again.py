"""The commands that make a project's records again, from the data that it names."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from odtk import pipeline
from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.projects import Project

_SECTION = "make-tfrecords"
_ARGUMENTS = ("data-dir", "output-dir")


def records_command(project: Project) -> Command:
    """`odtk make-tfrecords DATA RECORDS ... --overwrite` with the options of the project file.

    Raises OdtkError if the project does not say what its records are made of.
    """
    import yaml

    from odtk.tools.run import project as project_files
    from odtk.tools.run.project import Stage

    section = project.sections().get(_SECTION, {})
    if "data-dir" not in section:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    shown = project.workspace.shown
    # Other stages may not be complete, so the section is read alone.
    text = yaml.safe_dump({_SECTION: section}, sort_keys=False)
    values = project_files.parse(text, shown(project.file)).stages[_SECTION].values
    folder = os.path.dirname(shown(project.file))
    line = Stage(_SECTION, {key: value for key, value in values.items() if key not in _ARGUMENTS}).command(folder)
    # projects/pets/../../data/map.pbtxt is data/map.pbtxt
    rest = [os.path.normpath(word) if word.startswith(f"{folder}/") else word for word in shlex.split(line)[2:]]
    # The classes keep their numbers, also if a correction leaves one of them without boxes.
    own_map = project.run / "label_map.pbtxt"
    rest += ["--label-map", shown(own_map)] if "label-map" not in values and own_map.exists() else []
    data = project.workspace.inside(project.folder / str(section["data-dir"]))
    return command(_SECTION, shown(data), shown(records_folder(project)), *rest, "--overwrite")


def records_folder(project: Project) -> Path:
    """The folder of the records that the config trains on; OdtkError if that is not below the workspace."""
    paths = list(pipeline.read(project.config).train_input_reader.tf_record_input_reader.input_path)
    folder = project.workspace.inside(os.path.dirname(paths[0])) if paths else None
    if folder is None or not folder.is_relative_to(project.workspace.folder):
        raise OdtkError("The config's training records are not in the workspace, so they are not made again here.")
    return folder
