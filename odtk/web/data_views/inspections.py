"""Inspections of folders: the command, the files that it writes, and what became of it."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.errors import OdtkError
from odtk.web.background import RUNNING, Background, Run
from odtk.web.commands import Command, command
from odtk.web.workspace import Workspace

FORMATS = ("pets", "voc", "coco", "yolo", "csv")
BOXES = ("xyxy", "xywh", "cxcywh", "yxyx")
"""What `--format` and `--boxes` take."""

_MOST_FILES, _SECONDS = 50_000, 0.5  # that are asked for their times when a page is shown
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Inspection:
    """What was found in `path`, or is being looked for."""

    path: str  # as a command in the workspace names it
    page: str  # of the files below, from the workspace
    index: str
    run: Run | None

    @property
    def is_running(self) -> bool:
        """Whether the command runs."""
        return self.run is not None and self.run.state == RUNNING

    @property
    def document(self) -> dict[str, Any] | None:
        """What the command printed; None if there is none."""
        found = self.run.outcome.document if self.run and self.run.outcome else None
        return found if isinstance(found, dict) else None

    @property
    def error(self) -> str | None:
        """Why there is no document. A command that finds errors in the data prints one, and ends with code 1."""
        if self.run is None or self.is_running or self.document is not None:
            return None
        return (self.run.outcome and self.run.outcome.error) or f"The inspection was {self.run.state}."

    @property
    def error_options(self) -> Sequence[Mapping[str, Any]]:
        """Options that would help after an error."""
        return self.run.outcome.options if self.run and self.run.outcome else ()

    @property
    def options(self) -> dict[str, str]:
        """The format and the order of the boxes that were given."""
        words = self.run.command.words if self.run else ()
        given = dict(itertools.pairwise(words))
        return {name: given[f"--{name}"] for name in ("format", "boxes") if f"--{name}" in given}

    @property
    def is_of_records(self) -> bool:
        """Whether records were inspected, from which a project can be made at once."""
        return self.document is not None and self.document["kind"] == "records"


def key_of(path: str) -> str:
    """Under which the inspection of a folder runs."""
    return f"inspect:{path}"


def inspection_of(workspace: Workspace, background: Background, path: Path) -> Inspection:
    """The inspection of a folder; its files may not exist."""
    shown = workspace.shown(path)
    page, index = (f"inspections/{_file_name(shown)}{suffix}" for suffix in (".html", ".sqlite"))
    return Inspection(shown, page, index, background.find(key_of(shown)))


def inspect_command(inspection: Inspection, format: str = "", boxes: str = "") -> Command:
    """The command that inspects; raises OdtkError for an option that it does not take."""
    for value, known, what in ((format, FORMATS, "format"), (boxes, BOXES, "order of a box's numbers")):
        if value and value not in known:
            raise OdtkError(f"{value!r} is no {what}. Choose one of {', '.join(known)}.")
    chosen = [*(("--format", format) if format else ()), *(("--boxes", boxes) if boxes else ())]
    files = ("--html", inspection.page, "--index", inspection.index)
    return command("inspect", inspection.path, *files, *chosen, "--overwrite", "--json")


def _file_name(shown: str) -> str:
    digest = hashlib.sha256(shown.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', Path(shown).name).strip('-')[:_LONGEST_NAME] or 'folder'}-{digest}"


def has_changed(path: Path, since: float) -> bool | None:
    """Whether a file below a folder changed after a time (since 1970); None if there are too many to ask all."""
    until, asked = time.monotonic() + _SECONDS, 0
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for each in (folder, *(os.path.join(folder, name) for name in names)):
            try:
                if os.stat(each).st_mtime > since:
                    return True
            except OSError:
                continue
        asked += len(names) + 1
        if asked > _MOST_FILES or time.monotonic() > until:
            return None
    return False
