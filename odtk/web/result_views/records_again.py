"""The command that makes a project's records again, from the data that it names."""

from __future__ import annotations

import os
from pathlib import Path

from odtk import pipeline
from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.project_options import option_words, read_options
from odtk.web.projects import Project

_SECTION = "make-tfrecords"


def records_again_command(project: Project) -> Command:
    """`odtk make-tfrecords DATA RECORDS ... --overwrite` with the options of the project file.

    Raises OdtkError if the project does not say what its records are made of.
    """
    section = project.sections().get(_SECTION, {})
    if "data-dir" not in section:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    shown = project.workspace.shown
    options = read_options(project, _SECTION, {"data-dir": None, "output-dir": None})
    rest = option_words(project, _SECTION, options)
    # The classes keep their numbers, also if a correction leaves one of them without boxes.
    own_map = project.run / "label_map.pbtxt"
    rest += ["--label-map", shown(own_map)] if "label-map" not in options and own_map.exists() else []
    data = project.workspace.inside(project.folder / str(section["data-dir"]))
    return command(_SECTION, shown(data), shown(records_folder(project)), *rest, "--overwrite")


def records_folder(project: Project) -> Path:
    """The folder of the records that the config trains on; OdtkError if that is not below the workspace."""
    paths = list(pipeline.read(project.config).train_input_reader.tf_record_input_reader.input_path)
    folder = project.workspace.inside(os.path.dirname(paths[0])) if paths else None
    if folder is None or not folder.is_relative_to(project.workspace.folder):
        raise OdtkError("The config's training records are not in the workspace, so they are not made again here.")
    return folder
