"""The file `checkpoint` of a folder, in which TensorFlow's CheckpointManager keeps the names of the newest checkpoints.

model_checkpoint_path: "ckpt-3000"
all_model_checkpoint_paths: "ckpt-2000"
all_model_checkpoint_paths: "ckpt-3000"
all_model_checkpoint_timestamps: 1764190000.5
all_model_checkpoint_timestamps: 1764193600.5
last_preserved_timestamp: 1764190000.0
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf import text_encoding

from odtk import files

STATE_FILE = "checkpoint"

_PATH = re.compile(r'^\s*(?P<field>(?:all_)?model_checkpoint_paths?):\s*"(?P<path>(?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_TIME = re.compile(r"^\s*all_model_checkpoint_timestamps:\s*([\d.e+]+)\s*$", re.MULTILINE)
_PRESERVED = re.compile(r"^\s*last_preserved_timestamp:\s*([\d.e+]+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class State:
    """What a folder's file `checkpoint` says."""

    stated: str | None = None
    """The newest checkpoint, as written: possibly a path of another machine."""
    newest: str | None = None
    """Its name, if it would be in this folder."""
    listed: Mapping[str, float | None] = field(default_factory=dict)
    """Names in this folder of the checkpoints that are kept, the oldest first, and when they were saved (None:
    unknown), in seconds since 1970. Empty where a person wrote the file: TensorFlow always lists them."""
    preserved: float = math.inf
    """What TensorFlow never deletes is older than this, or of the same time."""
    problem: str = ""
    """Why nothing is stated, as the end of a sentence; empty if there is no such file."""


def read_state(folder: str | os.PathLike) -> State:
    """The state of a folder; whatever the file contains, nothing is raised."""
    path = files.join(folder, STATE_FILE)
    try:
        if not files.exists(path):
            return State()
        if files.is_folder(path):
            return State(problem="is a folder")
        text = files.read_bytes(path).decode(errors="replace")
    except OSError as error:
        return State(problem=f"cannot be read ({error.strerror or error})")
    paths: dict[str, list[str]] = {"model_checkpoint_path": [], "all_model_checkpoint_paths": []}
    for match in _PATH.finditer(text):
        paths.setdefault(match["field"], []).append(_unescaped(match["path"]))
    stated = next((path for path in reversed(paths["model_checkpoint_path"]) if path and path.isprintable()), None)
    if stated is None:
        return State(problem="is empty" if not text.strip() else "names no checkpoint")
    listed = paths["all_model_checkpoint_paths"]
    times: list[float | None] = [_seconds(written) for written in _TIME.findall(text)]
    times = times if len(times) == len(listed) else [None] * len(listed)
    names = [name_in(folder, path) for path in listed]
    preserved = next(map(_seconds, _PRESERVED.findall(text)), None)
    return State(
        stated,
        name_in(folder, stated),
        {name: seconds for name, seconds in zip(names, times, strict=True) if name is not None},
        math.inf if preserved is None else preserved,
    )


def write_state(folder: str | os.PathLike, times: Mapping[str, float]) -> None:
    """Names the checkpoints of a folder, the oldest first, with the times at which they were saved.

    Names are relative, so that the folder can be moved. Raises OutputError or OSError if the file cannot be written.
    """
    quoted = [f'"{text_encoding.CEscape(os.fsencode(name), as_utf8=False)}"' for name in times]
    lines = [f"model_checkpoint_path: {quoted[-1]}"]
    lines += [f"all_model_checkpoint_paths: {name}" for name in quoted]
    lines += [f"all_model_checkpoint_timestamps: {seconds!r}" for seconds in times.values()]
    lines += [f"last_preserved_timestamp: {min(times.values()) - 1.0!r}"]
    files.write_text(files.join(folder, STATE_FILE), "".join(f"{line}\n" for line in lines))


def name_in(folder: str | os.PathLike, path: str) -> str | None:
    """The name of a checkpoint at `path`, relative to `folder`, if it is in this folder; None otherwise."""
    if files.is_remote(path):
        place, name = path.rsplit("/", 1)
        return name if place.rstrip("/") == os.fspath(folder).rstrip("/") else None
    if files.is_remote(folder):
        return path.removeprefix("./") if "/" not in path.removeprefix("./") else None
    place, name = os.path.split(os.path.abspath(os.path.join(folder, path)))
    return name if place == os.path.abspath(folder) else None


def _unescaped(text: str) -> str:
    try:
        return text_encoding.CUnescape(text).decode(errors="replace")
    except ValueError:
        return text


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
