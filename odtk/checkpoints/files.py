"""The files of TensorFlow 2 checkpoints in a folder: lists them, and detects incomplete ones.

A checkpoint PREFIX is PREFIX.index and its PREFIX.data-00000-of-00001 and so on. Folders may be in an object store.
"""

import os
import re
from collections.abc import Callable

from odtk import files
from odtk.checkpoints.state_file import read_state
from odtk.errors import CheckpointError, DataError
from odtk.system_errors import describe

BEST_FOLDER, BEST_METRICS = "best", "metrics.json"
"""Where the best checkpoint of a model dir is, and what describes it there; see odtk.checkpoints.best."""

_DATA = re.compile(r"(?P<prefix>.*)\.data-\d{5}-of-(?P<count>\d{5})$", re.DOTALL)
_NUMBER = re.compile(r"-(\d{1,18})$")
_OURS = re.compile(r"ckpt-\d{1,18}")
# The last bytes of a table file (tensorflow/core/lib/io/format.h), which an index is.
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def prefixes_in(folder: str | os.PathLike) -> list[str]:
    """Prefixes of the checkpoints with at least one file in a folder, the newest by number first.

    Those named `ckpt-N`, as TFOD and odtk name them, come before any others. Raises CheckpointError if the folder
    cannot be listed.
    """
    found = {name for name in map(_checkpoint_of, _checkpoint_files(folder)) if name}
    return [files.join(folder, name) for name in sorted(found, key=_rank, reverse=True)]


def prefixes_near(path: str | os.PathLike) -> list[str]:
    """Checkpoints in the folder that `path` is or is in, or else in its `checkpoint/`, the newest first; at most 5."""
    folder = os.fspath(path) if files.is_folder(path) else split(path)[0]
    for place in (folder, files.join(folder, "checkpoint")):
        try:
            there = set(names_in(place))
            prefixes = [prefix for prefix in prefixes_in(place) if f"{split(prefix)[1]}.index" in there]
        except CheckpointError:
            continue
        if prefixes:
            return prefixes[:5]
    return []


def missing_file(prefix: str) -> str | None:
    """The first missing file of a checkpoint; None if it is complete. Raises CheckpointError as prefixes_in does."""
    folder, name = split(prefix)
    there = set(_checkpoint_files(folder, lambda file: file.startswith(f"{name}.")))
    if f"{name}.index" not in there:
        return f"{prefix}.index"
    matches = filter(None, map(_DATA.fullmatch, there))
    count = max((int(match["count"]) for match in matches if match["prefix"] == name), default=1)
    wanted = (f".data-{index:05d}-of-{count:05d}" for index in range(count))
    return next((f"{prefix}{end}" for end in wanted if f"{name}{end}" not in there), None)


def is_index(content: bytes) -> bool:
    """Whether the content of an index file is complete."""
    return content.endswith(_MAGIC)


def is_ours(prefix: str) -> bool:
    """Whether a checkpoint is named `ckpt-N`, as TFOD and odtk name those that they save while training."""
    return _OURS.fullmatch(name_of(prefix)) is not None


def is_resumable(model_dir: str | os.PathLike) -> bool:
    """Whether a model dir has a checkpoint that training would resume from, if only the best one."""
    indices = {name.removesuffix(".index") for name in names_in(model_dir) if name.endswith(".index")}
    if any(map(_OURS.fullmatch, indices)) or read_state(model_dir).newest in indices:
        return True
    return BEST_METRICS in names_in(files.join(model_dir, BEST_FOLDER))


def split(prefix: str | os.PathLike) -> tuple[str, str]:
    """Folder and name of a checkpoint or file, in a store too."""
    folder, name = os.path.split(os.fspath(prefix))
    return f"{folder}//" if folder.endswith(":") and files.is_remote(prefix) else folder, name


def name_of(prefix: str) -> str:
    """The name of a checkpoint in its folder: "ckpt-3000"."""
    return split(prefix)[1]


def names_in(folder: str | os.PathLike) -> list[str]:
    """The names in a folder; [] if there is none. Raises CheckpointError if it cannot be listed."""
    try:
        return files.names_in(folder or ".")
    except OSError as error:
        raise CheckpointError(describe(error, folder)) from error
    except DataError as error:  # of a store
        raise CheckpointError(str(error)) from error


def _checkpoint_files(folder: str | os.PathLike, wanted: Callable[[str], bool] = lambda name: True) -> list[str]:
    """The names of the files of checkpoints in a folder; folders and pipes of such names are left out."""
    names = [name for name in names_in(folder) if wanted(name) and _checkpoint_of(name)]
    # Asking a store for each file would take long.
    return names if files.is_remote(folder) else [name for name in names if os.path.isfile(os.path.join(folder, name))]


def _checkpoint_of(name: str) -> str | None:
    """The checkpoint that a file of this name belongs to."""
    if name.endswith(".index"):
        return name.removesuffix(".index") or None
    data = _DATA.fullmatch(name)
    return (data["prefix"] or None) if data else None


def _rank(name: str) -> tuple[bool, int, str]:
    number = _NUMBER.search(name)
    return is_ours(name), int(number[1]) if number else -1, name


EXPORTED = (
    "saved_model.pb",
    "saved_model/saved_model.pb",
    "model.onnx",
    "model.tflite",
    "openvino/model.xml",
    "model.xml",
    "browser/model.onnx",
    "serving/README.md",
    "weights.npz",
)
"""Files of which an exported folder has one, whichever formats it holds; a model dir has none of them."""


def is_exported_folder(place: str) -> bool:
    """Whether a folder holds what `odtk export` or TFOD's exporter wrote."""
    return any(files.exists(files.join(place, name)) for name in EXPORTED)
