"""The files of TensorFlow 2 checkpoints in a folder: lists them, finds the newest, detects incomplete ones.

A checkpoint PREFIX is PREFIX.index and its PREFIX.data-00000-of-00001 and so on; the file `checkpoint` of its folder
says which is the newest, by a path that may be of the machine that wrote it.
"""

import contextlib
import os
import re
from pathlib import Path

from odtk import files
from odtk.errors import OutputError

STATE_FILE = "checkpoint"

_DATA = re.compile(r"(?P<prefix>.*)\.data-\d{5}-of-(?P<count>\d{5})$")
_NUMBER = re.compile(r"-(\d+)$")
# The last bytes of a table file (tensorflow/core/lib/io/format.h), which an index is.
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_STATED = re.compile(r'^\s*model_checkpoint_path:\s*"(.*)"', re.MULTILINE)


def prefixes_in(folder: str | os.PathLike) -> list[str]:
    """Prefixes of the checkpoints with at least one file in a folder, the newest by number first."""
    prefixes = set()
    for file in Path(folder).iterdir() if Path(folder).is_dir() else ():
        data = _DATA.fullmatch(file.name)
        name = file.name.removesuffix(".index") if file.suffix == ".index" else data and data["prefix"]
        if name and file.is_file():
            prefixes.add(str(file.parent / name))
    return sorted(prefixes, key=_by_number, reverse=True)


def prefixes_near(path: str | os.PathLike) -> list[str]:
    """Checkpoints in the folder that `path` is or is in, or else in its `checkpoint/`, the newest first; at most 5."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    for place in (folder, folder / "checkpoint"):
        prefixes = [prefix for prefix in prefixes_in(place) if Path(f"{prefix}.index").is_file()]
        if prefixes:
            newest = Path(stated_newest(place) or "").name
            return sorted(prefixes, key=lambda prefix: Path(prefix).name != newest)[:5]
    return []


def stated_newest(folder: str | os.PathLike) -> str | None:
    """The newest checkpoint according to the folder's file `checkpoint`, as written; None if it has none."""
    try:
        match = _STATED.search((Path(folder) / STATE_FILE).read_text(errors="replace"))
    except OSError:
        return None
    return match[1] if match else None


def missing_file(prefix: str) -> str | None:
    """The first missing file of a local checkpoint; None if it is complete."""
    if not os.path.isfile(f"{prefix}.index"):
        return f"{prefix}.index"
    folder, name = Path(prefix).parent, Path(prefix).name
    matches = [match for match in (_DATA.fullmatch(file.name) for file in folder.iterdir()) if match]
    counts = [int(match["count"]) for match in matches if match["prefix"] == name]
    count = max(counts, default=1)
    files = (f"{prefix}.data-{index:05d}-of-{count:05d}" for index in range(count))
    return next((file for file in files if not os.path.isfile(file)), None)


def remove_unfinished(prefix: str) -> None:
    """Removes what a failed save has left of a checkpoint, as far as possible; does nothing if it is complete."""
    with contextlib.suppress(OSError, OutputError):
        folder, name = os.path.split(prefix)
        if f"{name}.index" in (names := files.names_in(folder)):
            return
        for found in names:
            if found == f"{name}_temp":
                files.remove_folder(files.join(folder, found))
            elif (match := _DATA.fullmatch(found)) and match["prefix"] == name:
                files.remove(files.join(folder, found))


def is_index(content: bytes) -> bool:
    """Whether the content of an index file is complete."""
    return content.endswith(_MAGIC)


def _by_number(prefix: str) -> tuple[int, str]:
    match = _NUMBER.search(prefix)
    return (int(match[1]) if match else -1), prefix
