"""What TFOD left behind in a folder: configs, checkpoints, label maps, records, exported models, and its logs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtk.checkpoints.files import prefixes_in
from odtk.errors import DataError, OdtkError
from odtk.system_errors import describe

_SKIPPED = {".git", "__pycache__", "node_modules", "site-packages", ".venv", "venv"}
_RECORD = re.compile(r"\.(tf)?records?\b|\.tfrec\b", re.IGNORECASE)
_SAVED_MODEL = "saved_model.pb"
_TF1 = re.compile(r"frozen_inference_graph\.pb|model\.ckpt-?\d*\.index")
_CONFIG = re.compile(rb"^\s*(model|train_config)\s*:?\s*\{", re.MULTILINE)
_LABEL_MAP = re.compile(rb"^\s*item\s*:?\s*\{", re.MULTILINE)
_HEAD = 1 << 16


@dataclass
class Found:
    """Paths of what a folder holds, in the order of their names."""

    root: Path
    configs: list[Path] = field(default_factory=list)
    model_dirs: list[Path] = field(default_factory=list)
    """Folders with checkpoints that a training wrote."""
    exports: list[Path] = field(default_factory=list)
    """Folders that hold a saved_model/, or a SavedModel itself."""
    label_maps: list[Path] = field(default_factory=list)
    records: list[Path] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    """Indices of checkpoints, wherever they are."""
    tf1: list[Path] = field(default_factory=list)
    """Frozen graphs and checkpoints of TensorFlow 1."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of TFOD at all."""
        return not (self.configs or self.checkpoints or self.exports)


def find(folder: str | os.PathLike) -> Found:
    """Looks through a folder and those in it. Raises DataError if it is no folder, or holds nothing of TFOD."""
    root = Path(folder).absolute()
    if not root.is_dir():
        raise DataError(f"{folder} is not a folder. Name the model dir, or the folder around everything.")
    found = Found(root)
    for place, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            _sort_in(found, Path(place, name))
    if found.is_empty:
        hint = f" There are models of TensorFlow 1: {found.tf1[0]}." if found.tf1 else ""
        raise DataError(
            f"{folder} holds no pipeline.config, no TensorFlow 2 checkpoint and no exported model of TFOD.{hint} Name "
            "the model dir, or the folder around everything."
        )
    found.model_dirs = _model_dirs(found)
    return found


def _raise(error: OSError) -> None:
    raise DataError(describe(error)) from error


def _sort_in(found: Found, path: Path) -> None:
    if _TF1.fullmatch(path.name):
        found.tf1.append(path)
    elif path.name == _SAVED_MODEL:
        place = path.parent
        found.exports.append(place.parent if place.name == "saved_model" else place)
    elif path.suffix == ".index":
        if not (path.parent.parent / _SAVED_MODEL).is_file():  # its variables are no checkpoint that odtk reads
            found.checkpoints.append(path)
    elif path.suffix == ".config" and _begins(path, _CONFIG):
        found.configs.append(path)
    elif path.suffix in (".pbtxt", ".txt") and _begins(path, _LABEL_MAP):
        found.label_maps.append(path)
    elif _RECORD.search(path.name) and path.suffix not in (".py", ".txt", ".json"):
        found.records.append(path)


def _begins(path: Path, pattern: re.Pattern[bytes]) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return pattern.search(file.read(_HEAD)) is not None
    return False


def _model_dirs(found: Found) -> list[Path]:
    """Folders of checkpoints outside exported models: those of the zoo are exported models, too."""
    folders = dict.fromkeys(path.parent for path in found.checkpoints)
    return [
        folder
        for folder in folders
        if not any(folder == export or folder.parent == export for export in found.exports)
        and not (folder.name == "checkpoint" and (folder.parent / "pipeline.config").is_file())
    ]


@dataclass(frozen=True)
class Chosen:
    """The one run that is migrated."""

    config: Path
    checkpoints: str
    """What odtk.checkpoints finds the newest of: a model dir, an exported folder or a prefix."""
    is_training: bool
    """Whether a training wrote the checkpoint, so that it can go on."""


def choose(found: Found, config: str | os.PathLike | None, checkpoint: str | os.PathLike | None) -> Chosen:
    """The run to migrate. Raises OdtkError that lists the candidates where there are several and none is named."""
    place = _chosen_checkpoints(found, checkpoint)
    if config is not None:
        return Chosen(Path(config).absolute(), str(place), _is_training(found, place))
    return Chosen(_config_of(found, place), str(place), _is_training(found, place))


def _chosen_checkpoints(found: Found, checkpoint: str | os.PathLike | None) -> Path:
    if checkpoint is not None:
        return Path(checkpoint).absolute()
    if len(found.model_dirs) == 1:
        return found.model_dirs[0]
    if found.root in found.model_dirs:
        return found.root
    if found.model_dirs:
        raise OdtkError(_several("model dirs", found.model_dirs), argument="checkpoint")
    with_checkpoint = [path for path in found.exports if _has_checkpoint(path)]
    loose = [path.parent for path in found.checkpoints if path.parent.parent not in found.exports]
    candidates = list(dict.fromkeys([*with_checkpoint, *loose]))
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise OdtkError(_several("exported models with a checkpoint", candidates), argument="checkpoint")
    raise OdtkError(f"{found.root} has no TensorFlow 2 checkpoint: there is nothing to go on from.")


def _has_checkpoint(export: Path) -> bool:
    place = export / "checkpoint"
    return place.is_dir() and bool(prefixes_in(place))


def _is_training(found: Found, place: Path) -> bool:
    return place in found.model_dirs or place.parent in found.model_dirs


def _config_of(found: Found, place: Path) -> Path:
    """The config beside the checkpoints, or the only one that belongs to no exported model."""
    beside = [path for path in found.configs if path.parent in (place, place.parent)]
    named = [path for path in beside if path.name == "pipeline.config"]
    others = [path for path in found.configs if not any(path.parent == export for export in found.exports)]
    for candidates in (named, beside, others, found.configs):
        nearest = [path for path in candidates if path.parent == place] or candidates
        if len(nearest) == 1:
            return nearest[0]
        if nearest:
            raise OdtkError(_several("configs", nearest), argument="config")
    raise OdtkError(f"{found.root} has no pipeline.config. Name the one that was trained with.", argument="config")


def _several(what: str, paths: Sequence[Path]) -> str:
    listed = "".join(f"\n  {path}" for path in paths)
    return f"There are several {what}; name one of them:{listed}"


def names_of(paths: Sequence[Path], root: Path) -> Iterator[str]:
    """Paths as they are seen from the folder."""
    yield from (str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths)
