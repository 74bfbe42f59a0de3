"""Where an evaluation of a model writes, unless another folder is chosen."""

import os

from odtk import files
from odtk.checkpoints.files import is_exported_folder, split

_INSIDE = ("checkpoint", "best")  # folders of a model that hold checkpoints
_FILES = (".json", ".onnx", ".tflite", ".xml", ".npz")  # of detections, and of exported models


def default_output(model: str) -> str:
    """eval in a model dir, also for one of its checkpoints; NAME-eval beside an exported folder or a file.

    Of a file in an exported folder it is beside that folder: exported-onnx-eval.

    An exported folder holds what the export wrote, and nothing else.
    """
    place = model.rstrip("/")
    stem, suffix = os.path.splitext(place)
    if suffix in _FILES:
        for folder in (os.path.dirname(place), os.path.dirname(os.path.dirname(place))):
            if folder and is_exported_folder(folder):
                return f"{folder}-{suffix[1:]}-eval"
        return f"{stem}-eval"
    if is_exported_folder(place):
        return f"{os.path.abspath(place) if set(place) <= {'.', '/'} else place}-eval"
    return files.join(_model_dir(place) if files.exists(f"{place}.index") else place, "eval")


def _model_dir(prefix: str) -> str:
    folder = split(prefix)[0] or os.curdir
    above, name = split(folder)
    return (above or os.curdir) if name in _INSIDE else folder
