"""What `odtk explain` wrote for a project's picture, and the command that writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.projects import Project

METHODS = ("gradient", "occlusion")


@dataclass(frozen=True)
class ExplainWishes:
    """What the form asks for; raises OdtkError for what is no choice."""

    picture: Path
    method: str = "gradient"
    layer: str = ""
    channels: str = ""
    is_annotated: bool = False
    """Whether the picture is one of the project's data."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OdtkError(f"{self.method!r} is no method. Choose {' or '.join(METHODS)}.")
        if any(letter not in "0123456789,- " for letter in self.channels):
            raise OdtkError(f"{self.channels!r} are no channels. Write numbers and ranges, such as 0-15,40.")

    def command(self, project: Project) -> Command:
        """What explains the picture."""
        shown = project.workspace.shown
        more = [f"--method={self.method}"] if self.method != METHODS[0] else []
        more += [f"--layer={self.layer}"] if self.layer else []
        more += [f"--channels={self.channels.replace(' ', '')}"] if self.channels else []
        more += [f"--groundtruth={shown(project.config)}"] if self.is_annotated else []
        output = shown(explained_folder(project))
        return command(
            "explain", shown(project.run), shown(self.picture), "--output", output, *more, "--overwrite", "--json"
        )


def layers_command(project: Project) -> Command:
    """What lists the layers of the run's network."""
    return command("explain", project.workspace.shown(project.run), "--list-layers", "--json")


def explained_folder(project: Project) -> Path:
    """Where the pictures are."""
    return project.folder / "explained"


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture with its caption."""

    address: str
    caption: str


@dataclass(frozen=True)
class LayerFeatures:
    """The features of a layer: all channels on one sheet, and each alone."""

    name: str
    shape: str
    sheet: CaptionedPicture
    channels: dict[str, CaptionedPicture]


@dataclass(frozen=True)
class Explained:
    """A picture that was explained."""

    name: str
    page: str
    overview: list[CaptionedPicture]
    heats: list[CaptionedPicture]
    scores: dict[str, list[CaptionedPicture]] = field(default_factory=dict)
    """By class: a map for each level."""
    anchors: list[CaptionedPicture] = field(default_factory=list)
    layers: dict[str, LayerFeatures] = field(default_factory=dict)


def read_explained(project: Project) -> Explained | None:
    """What was written last; None if nothing was, or it is being replaced."""
    path = explained_folder(project) / "explain.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["pictures"][0]
        stamp = path.stat().st_mtime_ns
        return _explained(found, _Addresses(project, stamp))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


@dataclass(frozen=True)
class _Addresses:
    project: Project
    stamp: int

    def of(self, relative: str, caption: str) -> CaptionedPicture | None:
        """None if there is no such file."""
        folder = explained_folder(self.project)
        if not (folder / relative).is_file():
            return None
        return CaptionedPicture(f"{self.page_folder}/{relative}?made={self.stamp}", caption)

    @property
    def page_folder(self) -> str:
        return f"/files/{self.project.workspace.shown(explained_folder(self.project))}"


def _explained(found: dict[str, Any], addresses: _Addresses) -> Explained:
    heats = [addresses.of(each["heat"]["picture"], _about(each)) for each in found["detections"]]
    layers = [_layer(each, addresses) for each in found["features"]]
    folder = _folder_of(found)
    overview = [("detections.png", "What was detected"), ("groundtruth.png", "What is annotated")]
    called = found["anchors"].get("called") or "anchors"
    anchors = [
        ("anchors-fired.png", f"{found['anchors']['fired']:,} {called} that reach the score"),
        ("anchors-matched.png", f"{called} that training would match".capitalize()),
    ]
    return Explained(
        name=Path(found["file"]).name,
        page=f"{addresses.page_folder}/explain.html?made={addresses.stamp}",
        overview=_there(addresses.of(f"{folder}/{name}", caption) for name, caption in overview),
        heats=_there(heats),
        scores={name: _score_maps(maps, addresses) for name, maps in found["scores"].items()},
        anchors=_there(addresses.of(f"{folder}/{name}", caption) for name, caption in anchors),
        layers={layer.name: layer for layer in layers if layer is not None},
    )  # fmt: skip


def _score_maps(maps: dict[str, Any], addresses: _Addresses) -> list[CaptionedPicture]:
    drawn = (addresses.of(each["picture"], f"{level}: at most {each['best']:.2f}") for level, each in maps.items())
    return _there(drawn)


def _folder_of(found: dict[str, Any]) -> str:
    """The folder of a picture's files, which explain.json has only in their paths."""
    paths = [each["heat"]["picture"] for each in found["detections"]]
    paths += [each["sheet"] for each in found["features"]]
    return paths[0].partition("/")[0] if paths else Path(found["file"]).stem


def _there(drawn) -> list[CaptionedPicture]:
    return [each for each in drawn if each is not None]


def _about(found: dict[str, Any]) -> str:
    heat = found["heat"]
    inside = heat.get("share_inside")
    said = "no heat on this map" if inside is None else f"{inside:.0%} of the heat is inside the box"
    return f"{found['class']} {found['score']:.0%}, heat of {heat['from']}: {said}"


def _layer(found: dict[str, Any], addresses: _Addresses) -> LayerFeatures | None:
    shape = "x".join(map(str, found["shape"]))
    sheet = addresses.of(found["sheet"], f"Channels of {found['layer']}, {shape}")
    channels = {
        number: addresses.of(each["picture"], f"Channel {number}, from {each['low']:.3g} to {each['high']:.3g}")
        for number, each in found["channels"].items()
    }
    if sheet is None:
        return None
    return LayerFeatures(
        found["layer"], shape, sheet, {number: each for number, each in channels.items() if each is not None}
    )
