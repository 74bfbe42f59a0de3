"""The label map of a model, which says what its outputs mean: the one that it was trained with, wherever it is."""

import contextlib
import os
from pathlib import Path

from odtk import files, label_map
from odtk.errors import LabelMapError
from odtk.label_map import LabelMap

FILE = "label_map.pbtxt"


def find_trained_map(checkpoint: str | os.PathLike) -> str | None:
    """The label map of a checkpoint (a prefix or its folder): in the model dir, or in the exported folder around it.

    A model dir's best/ has none of its own.
    """
    is_folder = files.is_folder(checkpoint) and not files.exists(f"{os.fspath(checkpoint)}.index")
    folder = os.fspath(checkpoint) if is_folder else os.path.dirname(checkpoint)
    folder = folder.rstrip("/") if files.is_remote(folder) else os.path.normpath(folder)
    name = os.path.basename(folder if files.is_remote(folder) else os.path.abspath(folder))
    places = [folder] + [os.path.dirname(folder)] * (name in ("checkpoint", "best"))
    return next((each for each in (files.join(place, FILE) for place in places) if files.exists(each)), None)


def read_map(name_or_path: str | os.PathLike) -> tuple[str, LabelMap]:
    """The path of a label map, in a store too, or of a shipped one, and what it holds; LabelMapError if unusable."""
    if not files.is_remote(name_or_path):
        path = label_map.find(name_or_path)
        return str(path), label_map.read(path)
    try:
        return os.fspath(name_or_path), label_map.parse(files.read_text(name_or_path), os.fspath(name_or_path))
    except (OSError, UnicodeDecodeError) as error:
        raise LabelMapError(f"{name_or_path} cannot be read: {error}.") from error


def find_label_map(config, prefix: str) -> str | None:
    """The label map that a checkpoint was trained with, or else the config's; None if there is neither.

    One that is next to the checkpoint but cannot be read is ignored.
    """
    trained = find_trained_map(prefix)
    for place in [trained, *config_maps(config), Path(prefix).parent.parent / FILE]:
        with contextlib.suppress(LabelMapError):
            if place:
                return read_map(place)[0]
    return None


def config_maps(config) -> list[str]:
    """The label maps that a config names, those of its evaluation first."""
    readers = [*config.eval_input_reader, config.train_input_reader]
    return list(dict.fromkeys(reader.label_map_path for reader in readers if reader.label_map_path))
