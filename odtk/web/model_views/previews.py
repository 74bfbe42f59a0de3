"""Pictures of the records as training would augment them, one for each set of augmentations that was looked at."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk.pipeline import format
from odtk.web.background import CANCELLED, DONE, RUNNING, Run
from odtk.web.commands import Command
from odtk.web.kept_files import keep_newest
from odtk.web.model_views.open_config import OpenConfig
from odtk.web.studio import Studio

MODULE = "odtk.web.augmented_sheet"
_KEPT = 30  # pictures, each of a megabyte or two

_last: weakref.WeakKeyDictionary[Studio, dict[str, str]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Preview:
    """A picture that is drawn, or was."""

    key: str
    record: int
    run: Run | None
    is_there: bool

    @property
    def is_running(self) -> bool:
        """Whether it is being drawn."""
        return self.run is not None and self.run.state == RUNNING

    @property
    def failure(self) -> str:
        """Why it could not be drawn; empty for one that another picture has replaced, or that was removed since."""
        if self.run is None or self.is_there or self.run.state in (RUNNING, DONE, CANCELLED):
            return ""
        return (self.run.outcome.error if self.run.outcome else None) or "It was stopped."


def find_preview(studio: Studio, opened: OpenConfig, record: int) -> Preview:
    """The picture of a record with the config's present augmentations, as far as it is."""
    key = _key(opened, record)
    there = (studio.workspace.hidden / "previews" / f"{key}.png").is_file()
    return Preview(key, record, studio.background.find(f"preview:{key}"), there)


def start_preview(studio: Studio, opened: OpenConfig, record: int) -> Preview:
    """Draws it, unless it is there; the project's earlier one is given up, if it is still being drawn."""
    found, last = find_preview(studio, opened, record), _last.setdefault(studio, {})
    if last.get(opened.project.name, found.key) != found.key:
        studio.background.cancel(f"preview:{last[opened.project.name]}")
    last[opened.project.name] = found.key
    return _drawn(studio, opened, found)


def awaited_preview(studio: Studio, opened: OpenConfig, record: int) -> Preview:
    """The picture that a tab waits for: drawn after all, if another tab's has replaced it."""
    found = find_preview(studio, opened, record)
    is_replaced = found.run is not None and found.run.state == CANCELLED
    return _drawn(studio, opened, found) if is_replaced else found


def _drawn(studio: Studio, opened: OpenConfig, found: Preview) -> Preview:
    if not found.is_there and not found.is_running:
        folder = studio.workspace.hidden / "previews"
        folder.mkdir(exist_ok=True)
        keep_newest(folder.glob("*.png"), _KEPT)
        studio.background.start(f"preview:{found.key}", preview_command(opened, found.key, found.record))
    return find_preview(studio, opened, found.record)


def preview_command(opened: OpenConfig, key: str, record: int) -> Command:
    """What draws it."""
    output = opened.project.workspace.shown(opened.project.workspace.hidden / "previews" / f"{key}.png")
    return Command((opened.shown, output, "--record", str(record)), MODULE)


def _key(opened: OpenConfig, record: int) -> str:
    """Of what the picture depends on: the augmentations, the records as they are now, the size of the images."""
    config = opened.parsed()
    config.ClearField("eval_input_reader")
    train = config.train_config
    steps = list(train.data_augmentation_options)
    train.Clear()
    train.data_augmentation_options.extend(steps)
    shards = _versions(opened.project.workspace.folder, config.train_input_reader.tf_record_input_reader.input_path)
    text = f"{record}\n{shards}\n{format(config)}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]


def _versions(folder: Path, patterns: Sequence[str]) -> list[tuple[str, int, int]]:
    """The shards that patterns name, with when they were written and their sizes."""
    paths = sorted(path for pattern in patterns for path in glob.glob(os.path.join(folder, pattern)))
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # of one that is being replaced
            stat = os.stat(path)
            found.append((path, stat.st_mtime_ns, stat.st_size))
    return found
