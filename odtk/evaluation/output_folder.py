"""Where an evaluation of a model writes, unless another folder is chosen."""

import os

from odtk import files
from odtk.checkpoints.files import EXPORTED, is_exported_folder, split

_INSIDE = ("checkpoint", "best")  # folders of a model that hold checkpoints
_FOLDERS = {mark.split("/")[0] for mark in EXPORTED if "/" in mark}  # of models, in an exported folder
_FILES = (".json", ".onnx", ".tflite", ".xml", ".npz")  # of detections, and of exported models


def default_output(model: str) -> str:
    """eval in a model dir, also for one of its checkpoints; NAME-eval beside an exported folder or a file.

    Of a file or a folder in an exported folder it is beside that folder: exported-onnx-eval, exported-serving-eval.

    An exported folder holds what the export wrote, and nothing else.
    """
    place = model.rstrip("/")
    stem, suffix = os.path.splitext(place)
    if suffix in _FILES:
        folder = os.path.dirname(place)
        exported = _exported_around(folder) or folder
        return f"{exported}-{suffix[1:]}-eval" if exported and is_exported_folder(exported) else f"{stem}-eval"
    whole = os.path.abspath(place) if set(place) <= {".", "/"} else place
    if around := _exported_around(whole):
        return f"{around}-{os.path.basename(whole)}-eval"
    if is_exported_folder(place):
        return f"{whole}-eval"
    return files.join(_model_dir(place) if files.exists(f"{place}.index") else place, "eval")


def _exported_around(folder: str) -> str | None:
    """The exported folder that a model's folder, such as serving/, is in; None if it is in none."""
    around = os.path.dirname(folder)
    is_inside = os.path.basename(folder) in _FOLDERS and is_exported_folder(around or os.curdir)
    return (around or os.path.abspath(os.curdir)) if is_inside else None


def _model_dir(prefix: str) -> str:
    folder = split(prefix)[0] or os.curdir
    above, name = split(folder)
    return (above or os.curdir) if name in _INSIDE else folder
