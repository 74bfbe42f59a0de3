"""Where an evaluation of a model writes, unless another folder is chosen."""

import os

from odtk import files
from odtk.checkpoints.files import split

_INSIDE = ("checkpoint", "best")  # folders of a model that hold checkpoints
_EXPORTED = ("saved_model.pb", "saved_model/saved_model.pb")


def default_output(model: str) -> str:
    """eval in a model dir, also for one of its checkpoints; NAME-eval beside an exported folder or a JSON file.

    An exported folder holds what the export wrote, and nothing else.
    """
    place = model.rstrip("/")
    if place.endswith(".json"):
        return f"{place.removesuffix('.json')}-eval"
    if any(files.exists(files.join(place, name)) for name in _EXPORTED):
        return f"{os.path.abspath(place) if set(place) <= {'.', '/'} else place}-eval"
    return files.join(_model_dir(place) if files.exists(f"{place}.index") else place, "eval")


def _model_dir(prefix: str) -> str:
    folder = split(prefix)[0] or os.curdir
    above, name = split(folder)
    return (above or os.curdir) if name in _INSIDE else folder
