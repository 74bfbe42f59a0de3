"""Pictures as training would augment them, one for each set of augmentations that was looked at.

They are of the records, or of one's own: a file below the workspace or a root, or an upload. The last few uploads stay.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from odtk.atomic import write_bytes
from odtk.errors import OdtkError
from odtk.pipeline import format
from odtk.web.background import CANCELLED, DONE, RUNNING, Run
from odtk.web.commands import Command
from odtk.web.kept_files import keep_newest
from odtk.web.model_views.open_config import OpenConfig
from odtk.web.projects import dataset_folder
from odtk.web.studio import Studio
from odtk.web.workspace import Workspace

MODULE = "odtk.web.augmented_sheet"
_KEPT = 30  # pictures, each of a megabyte or two
_KEPT_UPLOADS = 10
_UPLOADED = "upload:"
_UPLOAD = re.compile(r"[0-9a-f]{24}\.[a-z]{3,4}")
_LONGEST_NUMBER = 7  # digits

ACCEPTED = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


@dataclass(frozen=True)
class Subject:
    """What is augmented: a record, or a picture."""

    text: str
    """A record's number from 0, a picture's path as the workspace shows it, or "upload:" and an upload's file."""
    file: Path | None = None
    """Of a picture."""
    is_annotated: bool = False
    """Whether it is one of the project's data, whose boxes the records have."""

    @property
    def title(self) -> str:
        """What it is called on the page."""
        return f"Record {self.text}" if self.file is None else "Your upload" if self.is_upload else self.file.name

    @property
    def is_upload(self) -> bool:
        """Whether it is kept among the uploads."""
        return self.text.startswith(_UPLOADED)

    @property
    def record(self) -> str:
        """The number of a record; empty for a picture."""
        return self.text if self.file is None else ""

    @property
    def path(self) -> str:
        """The path of a picture that is no upload."""
        return "" if self.file is None or self.is_upload else self.text


def subject_of(opened: OpenConfig, text: str) -> Subject:
    """What a form or an address names; raises OdtkError for what is no record's number and no picture below a root."""
    project, plain = opened.project, text.strip() or "0"
    if plain.isdecimal() and len(plain) <= _LONGEST_NUMBER:
        return Subject(str(int(plain)))
    if plain.startswith(_UPLOADED) and _UPLOAD.fullmatch(plain.removeprefix(_UPLOADED)):
        return Subject(plain, _uploads(project.workspace) / plain.removeprefix(_UPLOADED))
    path = project.workspace.inside(plain)
    if not path.is_file() or path.suffix.lower() not in ACCEPTED:
        raise OdtkError(
            f"{text!r} is neither the number of a record, counted from 0, nor a picture ({', '.join(ACCEPTED)}) below "
            "the studio's folders."
        )
    data = dataset_folder(project)
    return Subject(project.workspace.shown(path), path, data is not None and path.is_relative_to(data))


def keep_upload(opened: OpenConfig, name: str, file: IO[bytes]) -> Subject:
    """Keeps an uploaded picture; raises OdtkError for what is none by its name."""
    suffix = Path(name.lower()).suffix
    if suffix not in ACCEPTED:
        raise OdtkError(f"{name!r} is no picture that is taken here. Use {', '.join(ACCEPTED)}.")
    content, folder = file.read(), _uploads(opened.project.workspace)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:24]}{suffix}"
    write_bytes(path, content)
    keep_newest(folder.glob("*"), _KEPT_UPLOADS)
    return subject_of(opened, f"{_UPLOADED}{path.name}")


def _uploads(workspace: Workspace) -> Path:
    return workspace.hidden / "previews" / "uploads"


_last: weakref.WeakKeyDictionary[Studio, dict[str, str]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Preview:
    """A picture that is drawn, or was."""

    key: str
    subject: Subject
    run: Run | None
    is_there: bool

    @property
    def accepted(self) -> str:
        """The pictures that may be uploaded, for a form."""
        return ", ".join(ACCEPTED)

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


def find_preview(studio: Studio, opened: OpenConfig, subject: Subject) -> Preview:
    """The picture of a subject with the config's present augmentations, as far as it is."""
    key = _key(opened, subject)
    there = (studio.workspace.hidden / "previews" / f"{key}.png").is_file()
    return Preview(key, subject, studio.background.find(f"preview:{key}"), there)


def start_preview(studio: Studio, opened: OpenConfig, subject: Subject) -> Preview:
    """Draws it, unless it is there; the project's earlier one is given up, if it is still being drawn."""
    found, last = find_preview(studio, opened, subject), _last.setdefault(studio, {})
    if last.get(opened.project.name, found.key) != found.key:
        studio.background.cancel(f"preview:{last[opened.project.name]}")
    last[opened.project.name] = found.key
    return _drawn(studio, opened, found)


def awaited_preview(studio: Studio, opened: OpenConfig, subject: Subject) -> Preview:
    """The picture that a tab waits for: drawn after all, if another tab's has replaced it."""
    found = find_preview(studio, opened, subject)
    is_replaced = found.run is not None and found.run.state == CANCELLED
    return _drawn(studio, opened, found) if is_replaced else found


def _drawn(studio: Studio, opened: OpenConfig, found: Preview) -> Preview:
    if not found.is_there and not found.is_running:
        folder = studio.workspace.hidden / "previews"
        folder.mkdir(exist_ok=True)
        keep_newest(folder.glob("*.png"), _KEPT)
        studio.background.start(f"preview:{found.key}", preview_command(opened, found.key, found.subject))
    return find_preview(studio, opened, found.subject)


def preview_command(opened: OpenConfig, key: str, subject: Subject) -> Command:
    """What draws it."""
    shown = opened.project.workspace.shown
    words = ["--record", subject.text]
    if subject.file is not None:
        words = ["--picture", shown(subject.file), *["--annotated"] * subject.is_annotated]
    output = shown(opened.project.workspace.hidden / "previews" / f"{key}.png")
    return Command((opened.shown, output, *words), MODULE)


def _key(opened: OpenConfig, subject: Subject) -> str:
    """Of what the picture depends on: the augmentations, the records and the file as they are, the images' size."""
    config = opened.parsed()
    config.ClearField("eval_input_reader")
    train = config.train_config
    steps = list(train.data_augmentation_options)
    train.Clear()
    train.data_augmentation_options.extend(steps)
    shards = _versions(opened.project.workspace.folder, config.train_input_reader.tf_record_input_reader.input_path)
    file = [] if subject.file is None else _versions(opened.project.workspace.folder, [glob.escape(str(subject.file))])
    text = f"{subject.text} {file}\n{shards}\n{format(config)}"
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
