"""`odtk push`: an exported folder to the Hugging Face Hub, with a model card that is made from its run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odtk import unfinished
from odtk.checkpoints.files import is_resumable
from odtk.downloads import hub
from odtk.errors import OdtkError
from odtk.tools.push.card import CARD, PICTURE, card
from odtk.tools.push.facts import Facts, find_facts

__all__ = ["PushReport", "push"]

_CONFIG = "pipeline.config"


@dataclass(frozen=True)
class PushReport:
    """What was uploaded, or would be in a dry run."""

    place: str
    address: str | None
    """Of the commit; None in a dry run."""
    card: str
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def push(
    folder: str | os.PathLike,
    place: str,
    *,
    run: str | os.PathLike | None = None,
    license: str | None = None,
    picture: str | os.PathLike | None = None,
    private: bool = False,
    message: str = "A detector, exported by odtk",
    dry_run: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> PushReport:
    """Uploads an exported folder to `place` ("hf://user/model", made if it is not there) as one commit.

    `run` is the model dir that it was exported from: its metrics, data and newest picture are in the card. `license` is
    the Hub's name of one, such as "apache-2.0". A README.md in the folder is the card, as it is. The card names neither
    this machine nor its folders; pipeline.config and certificate.json are uploaded as they are, with their paths. With
    `dry_run` nothing is uploaded. Raises OdtkError if the folder holds no export, DownloadError with what the Hub
    answered.
    """
    where, folder = hub.parse(place), Path(folder)
    _require_export(folder)
    facts = find_facts(folder, run, picture)
    files: dict[str, Path | bytes] = {name: folder / name for name in _files(folder)}
    text = (folder / CARD).read_text("utf-8") if CARD in files else card(where, facts, license)
    if CARD not in files:
        files[CARD] = text.encode()
        if facts.picture:
            files[PICTURE] = facts.picture
    notes = list(_notes(CARD in _files(folder), license, facts))
    address = None
    if not dry_run:
        log(f"Uploading {len(files)} files to {where} at {hub.endpoint()} ...")
        address = hub.push(files, where, private, message)
    return PushReport(str(where), address, text, sorted(files), notes)


def _require_export(folder: Path) -> None:
    if not folder.is_dir():
        raise OdtkError(f"{folder} is not a folder. Name a folder that odtk export wrote.", argument="folder")
    if is_resumable(folder):
        export = shlex.join(["odtk", "export", str(folder / _CONFIG), str(folder), "exported"])
        raise OdtkError(f"{folder} is a model dir: it has what training needs. First: {export}", argument="folder")
    if not (folder / _CONFIG).is_file():
        raise OdtkError(f"{folder} has no {_CONFIG}, so it is not a folder that odtk export wrote.", argument="folder")


def _files(folder: Path) -> list[str]:
    """Paths in the folder; what is hidden or unfinished is left out."""
    found = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    hidden = [path for path in found if any(part.startswith(".") for part in path.parts) or unfinished.is_part(path)]
    return [path.as_posix() for path in found if path not in hidden]


def _notes(has_card: bool, license: str | None, facts: Facts):
    if has_card:
        yield f"the folder has a {CARD}, which is the card: nothing of the run is added to it."
        return
    if license is None:
        yield "no license is stated, so others may not use the model; give one, such as apache-2.0."
    if not facts.metrics:
        yield "the card has no metrics: name the model dir, after odtk evaluate."
    if facts.picture is None:
        yield "the card has no picture: give one."
