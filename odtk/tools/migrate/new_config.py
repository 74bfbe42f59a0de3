"""The config as it goes on: its text with the paths of this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import pipeline
from odtk.tools.migrate.find import Chosen
from odtk.tools.migrate.paths import CHECKPOINT, PathInConfig, is_label_map

LABEL_MAP = "label_map.pbtxt"
_TYPE = "train_config.fine_tune_checkpoint_type"
_VERSION = "train_config.fine_tune_checkpoint_version"


@dataclass(frozen=True)
class NewConfig:
    """The new text, and what was done with each path."""

    text: str
    paths: list[PathInConfig]
    label_map: str | None
    """The old file, which is copied to `target`/label_map.pbtxt; None if there is none."""
    target: Path

    def text_with_label_map(self, folder: Path) -> str:
        """The text as it is while the label map is in another folder."""
        return self.text.replace(_quoted(self.target / LABEL_MAP), _quoted(folder / LABEL_MAP))


def make_config(text: str, paths: Sequence[PathInConfig], chosen: Chosen, target: Path) -> NewConfig:
    """The text of the config in the folder `target`, comments and layout kept."""
    maps = [each.here for each in paths if is_label_map(each.field) and each.here and "://" not in each.here]
    label_map = maps[0] if maps else None
    copied = {path for path in maps if label_map and _same(path, label_map)}
    edits, done = [], []
    for each in paths:
        if is_label_map(each.field) and each.here in copied:
            edits.append((each.field, _quoted(target / LABEL_MAP)))
            done.append(PathInConfig(each.field, each.written, str(target / LABEL_MAP), f"a copy of {each.here}"))
        else:
            edits += [(each.field, _quoted(each.here or ""))] if each.is_changed else []
            done.append(each)
    if not chosen.is_training:
        edits += _start_from(target)
    new = pipeline.set_fields(text, edits, str(chosen.config)) if edits else text
    return NewConfig(new, done, label_map, target)


def _start_from(target: Path) -> list[tuple[str, str]]:
    """An exported model's checkpoint has no step and no optimizer: training starts from all of its weights."""
    prefix = target / "model" / "ckpt-0"
    return [(CHECKPOINT, _quoted(prefix)), (_TYPE, '"full"'), (_VERSION, "V2")]


def _same(path: str, other: str) -> bool:
    return path == other or Path(path).read_bytes() == Path(other).read_bytes()


def _quoted(text: str | Path) -> str:
    return json.dumps(str(text), ensure_ascii=False)
