"""The paths in a config of another machine or folder: where what they name is now."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk.records import shards
from odtk.tools.migrate.find import Found

_GLOB = re.compile(r"[*?\[]")
_LABEL_MAP = "label_map_path"
CHECKPOINT = "train_config.fine_tune_checkpoint"


@dataclass(frozen=True)
class PathInConfig:
    """One path: its field, what is written there, and where that is; None if it was not found."""

    field: str
    written: str
    here: str | None
    note: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether the config has to be changed."""
        return self.here is not None and self.here != self.written


def locate_all(config, config_file: Path, found: Found) -> list[PathInConfig]:
    """Every path of a config: as it is written from the folders around the config, else by its end in `found`."""
    return [_located(field, written, config_file, found) for field, written in _written(config)]


def _written(config) -> Iterator[tuple[str, str]]:
    readers = [("train_input_reader", config.train_input_reader)]
    readers += [(f"eval_input_reader[{index}]", reader) for index, reader in enumerate(config.eval_input_reader)]
    for name, reader in readers:
        if reader.label_map_path:
            yield f"{name}.{_LABEL_MAP}", reader.label_map_path
        for index, path in enumerate(reader.tf_record_input_reader.input_path):
            yield f"{name}.tf_record_input_reader.input_path[{index}]", path
    if config.train_config.fine_tune_checkpoint:
        yield CHECKPOINT, config.train_config.fine_tune_checkpoint


def is_label_map(field: str) -> bool:
    """Whether a field names a label map."""
    return field.endswith(_LABEL_MAP)


def _located(field: str, written: str, config_file: Path, found: Found) -> PathInConfig:
    if "://" in written:
        return PathInConfig(field, written, written, "in a store, not checked")
    suffix = ".index" if field == CHECKPOINT else ""
    for base in (Path.cwd(), *_around(config_file, found.root)):
        path = os.path.normpath(base / _plain(written))
        if shards.expand_globs([path + suffix]):
            return PathInConfig(field, written, path)
    files = found.checkpoints if suffix else found.label_maps if is_label_map(field) else found.records
    places = _by_end(_plain(written) + suffix, files)
    if len(places) == 1:
        return PathInConfig(field, written, places[0].removesuffix(suffix) if suffix else places[0])
    note = f"several of that name: {', '.join(places[:3])}" if places else "not found"
    return PathInConfig(field, written, None, note)


def _plain(path: str) -> str:
    """With slashes, as Windows takes them, too."""
    return os.path.expanduser(path.replace("\\", "/"))


def _around(config_file: Path, root: Path) -> Iterable[Path]:
    """Folders that a relative path may have been meant from: TFOD's scripts run in the workspace or above."""
    inside = [folder for folder in config_file.parents if folder.is_relative_to(root)]
    return dict.fromkeys([*inside, config_file.parent, root, *root.parents[:2]])


def _by_end(written: str, files: Sequence[Path]) -> list[str]:
    """The files, or the one glob for several in a folder, that the end of a path fits; as long an end as fits any."""
    parts = [part for part in written.split("/") if part not in ("", ".", "..")]
    for count in range(len(parts), 0, -1):
        end = "/".join(parts[-count:])
        fitting = [path for path in files if fnmatch.fnmatch(path.as_posix(), f"*/{end}")]
        if not fitting:
            continue
        if not _GLOB.search(parts[-1]):
            return [str(path) for path in fitting]
        return [os.path.join(folder, parts[-1]) for folder in dict.fromkeys(str(path.parent) for path in fitting)]
    return []
