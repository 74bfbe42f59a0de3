"""Pictures and videos that someone tried a model on, and thresholds: files below `projects/NAME/tried`.

There is one picture and one video at a time, so that the folder does not grow.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from odtk import thresholds
from odtk.atomic import atomic_file, write_text
from odtk.errors import OdtkError
from odtk.thresholds import Thresholds
from odtk.web.commands import Command, command
from odtk.web.projects import Project

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
DEFAULT_SCORE = 0.5
_CHUNK = 1 << 20
PICTURE, VIDEO = "picture", "video"


@dataclass(frozen=True)
class FoundBox:
    """A detection in a tried picture, in its pixels."""

    class_id: int
    name: str
    score: float
    left: float
    top: float
    width: float
    height: float
    color: int
    """Of the style's colors of boxes, from 0."""

    @property
    def percent(self) -> str:
        """The score as it stands beside the name."""
        return f"{100 * self.score:.0f} %"


@dataclass(frozen=True)
class TriedPicture:
    """A picture and what was found in it."""

    path: Path
    address: str
    width: int
    height: int
    milliseconds: float
    boxes: list[FoundBox]


COLORS = 6


def tried_folder(project: Project) -> Path:
    """Where tried pictures and videos are."""
    return project.folder / "tried"


def kind_of(name: str) -> str:
    """PICTURE or VIDEO, by the suffix; OdtkError if it is neither."""
    suffix = Path(name.lower()).suffix
    if suffix in PICTURES:
        return PICTURE
    if suffix in VIDEOS:
        return VIDEO
    raise OdtkError(f"{name!r} is no picture or video that is taken here. Use {', '.join(PICTURES + VIDEOS)}.")


def keep(project: Project, name: str, file: IO[bytes], in_use: Container[str] = ()) -> Path:
    """Keeps an uploaded picture or video in place of the last one; OdtkError if it is neither.

    It gets a name of its own: what still reads the last one, or is about to write what was found in it, does not take
    this one for it. The last one stays as long as its path in the workspace is `in_use`.
    """
    kind, suffix = kind_of(name), Path(name.lower()).suffix
    folder = tried_folder(project)
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind}-{secrets.token_hex(4)}{suffix}"
    with atomic_file(path) as temporary, open(temporary, "wb") as out:
        while chunk := file.read(_CHUNK):
            out.write(chunk)
    _forget_earlier(project, path, kind, in_use)
    return path


def _forget_earlier(project: Project, kept: Path, kind: str, in_use: Container[str]) -> None:
    """Removes those that were kept before; not those of uploads that end at the same time, of which the last stays."""
    changed = kept.stat().st_mtime_ns
    for path in tried_folder(project).glob(f"{kind}*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime_ns < changed and project.workspace.shown(path) not in in_use:
                path.unlink()


def tried_file(project: Project, suffixes: tuple[str, ...]) -> Path | None:
    """The last picture or video that was kept, by its suffix."""
    found: dict[Path, int] = {}
    for path in tried_folder(project).glob("*.*"):
        with contextlib.suppress(FileNotFoundError):
            if path.suffix in suffixes:
                found[path] = path.stat().st_mtime_ns
    return max(found, key=lambda path: found[path], default=None)


def note_found(picture: Path, found: Mapping[str, Any]) -> None:
    """Writes what a model found beside the picture, unless another one has taken its place."""
    if picture.exists():
        write_text(picture.with_suffix(".json"), json.dumps(found))


def tried_picture(project: Project) -> TriedPicture | None:
    """The last picture with its boxes; None if there is none."""
    path = tried_file(project, PICTURES)
    if path is None:
        return None
    try:
        found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    address = f"/files/{project.workspace.shown(path)}?changed={path.stat().st_mtime_ns}"
    return TriedPicture(path, address, found["width"], found["height"], found["milliseconds"], _boxes(found))


def _boxes(found: Mapping[str, Any]) -> list[FoundBox]:
    rows = zip(found["boxes"], found["classes"], found["scores"], strict=True)
    return [_box(found, box, number, score) for box, number, score in rows]


def _box(found: Mapping[str, Any], box: list[float], number: int, score: float) -> FoundBox:
    top, left, bottom, right = box
    width, height = found["width"], found["height"]
    return FoundBox(
        class_id=number,
        name=found["names"].get(str(number), f"class {number}"),
        score=score,
        left=round(left * width, 1),
        top=round(top * height, 1),
        width=round((right - left) * width, 1),
        height=round((bottom - top) * height, 1),
        color=(number - 1) % COLORS,
    )


@dataclass(frozen=True)
class TriedVideo:
    """A video, the command that detects in it, and its address once that is done."""

    path: Path
    command: Command
    address: str | None


def tried_video(project: Project) -> TriedVideo | None:
    """The last video; None if there is none."""
    path = tried_file(project, VIDEOS)
    if path is None:
        return None
    shown = project.workspace.shown
    output = tried_folder(project) / "found"
    words = command(
        "predict", shown(project.run), shown(path), "--output", shown(output), "--save", "video,csv",
        *_with_thresholds(project), "--overwrite", "--json",
    )  # fmt: skip
    return TriedVideo(path, words, _address_of_found(project, path, output / "video.mp4"))


def _address_of_found(project: Project, video: Path, made: Path) -> str | None:
    """Of the video with boxes; None as long as there is only that of an earlier video."""
    if not made.exists() or made.stat().st_mtime_ns < video.stat().st_mtime_ns:
        return None
    return f"/files/{project.workspace.shown(made)}?changed={made.stat().st_mtime_ns}"


def thresholds_file(project: Project) -> Path:
    """The thresholds that were chosen on the page, in the form of `odtk predict --thresholds`."""
    return project.folder / "thresholds.json"


def chosen_thresholds(project: Project) -> Thresholds:
    """Those that were saved, else those that the evaluation found, else 0.5."""
    for path in (thresholds_file(project), project.run / "eval" / "thresholds.json"):
        if path.exists():
            return thresholds.read(path)
    return Thresholds(DEFAULT_SCORE)


def save_thresholds(project: Project, names: Mapping[int, str], texts: Mapping[str, str]) -> None:
    """Writes the file. `texts`: "all" and "class-ID" to a number from 0 to 1; raises OdtkError for another text."""
    score = _score(texts.get("all", str(DEFAULT_SCORE)))
    given = {name: _score(texts[f"class-{number}"]) for number, name in names.items() if f"class-{number}" in texts}
    thresholds.write(Thresholds(score, given), os.fspath(thresholds_file(project)))


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise OdtkError(f"{text!r} is no threshold. Give a number from 0 to 1.")
    return value


def predict_command(project: Project) -> Command:
    """What does the same for pictures in a folder."""
    shown, picture = project.workspace.shown, tried_file(project, PICTURES)
    picture_word = shown(picture) if picture else "PICTURE"
    return command("predict", shown(project.run), picture_word, "--output", "found", *_with_thresholds(project))


def _with_thresholds(project: Project) -> list[str]:
    path = thresholds_file(project)
    return ["--thresholds", project.workspace.shown(path)] if path.exists() else []
