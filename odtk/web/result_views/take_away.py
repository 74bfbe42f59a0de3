"""What can be taken away from a project: weights, exports with their certificates, the config and the metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.checkpoints.state_file import read_state
from odtk.errors import OdtkError
from odtk.exporting.formats import CERTIFICATE, FORMATS, QUANTIZATIONS, ExportFormat
from odtk.web.commands import Command, command
from odtk.web.projects import Project
from odtk.web.result_views.zip_stream import Listed, files_below

PRECISIONS = ("float32", "float16", "bfloat16")
KINDS = ("best", "last")
_OF_TENSORFLOW = ("saved_model", "serving")  # which compute in a precision of choice
_RUN_FILES = ("metrics.csv", "evaluations.csv", "results.png")


@dataclass(frozen=True)
class Weights:
    """A checkpoint that can be downloaded with what one needs to use it."""

    kind: str
    """"best" or "last"."""
    prefix: Path
    files: list[tuple[str, Path]]
    """With their names in a zip."""

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(path.stat().st_size for _, path in self.files)


def weights(project: Project) -> list[Weights]:
    """The best and the last checkpoint, as far as there are any."""
    return [made for made in (_weights(project, kind) for kind in KINDS) if made is not None]


def weights_files(project: Project, kind: str) -> Listed:
    """The files of a checkpoint with their names in a zip; none while there is none, or another one comes."""
    found = _weights(project, kind)
    return found.files if found and any(path.suffix == ".index" for _, path in found.files) else []


def _weights(project: Project, kind: str) -> Weights | None:
    folder = project.run / "best" if kind == "best" else project.run
    newest = read_state(folder).newest
    if newest is None:
        return None
    prefix = folder / newest
    kept = [*sorted(folder.glob(f"{prefix.name}.*")), folder / "checkpoint", folder / "metrics.json"]
    beside = [project.run / name for name in ("pipeline.config", "label_map.pbtxt", "run.json")]
    top = f"{project.name}-{kind}"
    return Weights(kind, prefix, [(f"{top}/{path.name}", path) for path in (*kept, *beside) if path.is_file()])


@dataclass(frozen=True)
class Export:
    """An export of a project."""

    name: str
    certificate: list[dict[str, str]]
    """A row for each format: what it is called, how it agrees, speed."""
    note: str
    bytes: int
    files: list[tuple[str, str]]
    """Models that are one file, with their addresses."""


def exports(project: Project) -> list[Export]:
    """Those in the folder of exports, by name."""
    folders = sorted(path for path in project.exports.glob("*") if path.is_dir() and not path.name.startswith("."))
    return [_export(project, path) for path in folders]


def _export(project: Project, folder: Path) -> Export:
    size = sum(path.stat().st_size for _, path in files_below(folder, ""))
    try:
        found = json.loads((folder / CERTIFICATE).read_text(encoding="utf-8"))
        rows, note = [_row(each) for each in found["formats"]], _note(found)
    except (OSError, ValueError, KeyError, TypeError):
        rows, note = [], "Without a certificate: nothing was compared."
    models = [folder / row.path for row in FORMATS.values() if (folder / row.path).is_file()]
    single = [(path.name, f"/files/{project.workspace.shown(path)}?download") for path in models]
    return Export(folder.name, rows, note, size, single)


def _row(found: Mapping[str, Any]) -> dict[str, str]:
    """A format's certificate in words."""
    agreement, tolerance = found["agreement"], found["tolerance"]
    return {
        "format": found["format"],
        "objects": f"{agreement['objects'] - agreement['missing']:,} of {agreement['objects']:,}",
        "extra": f"{agreement['extra']:,}",
        "boxes": f"{agreement['boxes']:.2g} (accepted: {tolerance['boxes']:g})",
        "scores": f"{agreement['scores']:.2g} (accepted: {tolerance['scores']:g})",
        "map": _pair(found.get("map_after"), found.get("map_before"), "{:.3f}"),
        "milliseconds": _pair(found.get("milliseconds_after"), found.get("milliseconds_before"), "{:.3g}"),
    }


def _pair(after: float | None, before: float | None, form: str) -> str:
    return "–" if after is None or before is None else f"{form.format(after)} ({form.format(before)})"


def _note(found: Mapping[str, Any]) -> str:
    said = f"Compared on {found['images']} {found['source']} with step {found['step']}, on {found['machine']}."
    return said + (f" {found['note']}" if found.get("note") else "")


@dataclass(frozen=True)
class FormatRow:
    """A format that can be exported."""

    name: str
    meaning: str
    quantizations: tuple[str, ...]
    precisions: tuple[str, ...]
    missing: str | None
    """How to install what it needs; None if all is there."""


def formats() -> list[FormatRow]:
    """All formats, in the order of their table."""
    return [_format_row(name, row) for name, row in FORMATS.items()]


def _format_row(name: str, row: ExportFormat) -> FormatRow:
    missing = None
    try:
        if row.needs is not None:
            row.needs.require(f"The format {name}")
    except OdtkError as error:
        missing = str(error)
    quantizations = QUANTIZATIONS if name == "tflite" else ()
    return FormatRow(name, row.meaning, quantizations, PRECISIONS if name in _OF_TENSORFLOW else (), missing)


@dataclass(frozen=True)
class WantedExport:
    """An export as the form asks for it; raises OdtkError for what is no choice."""

    format: str
    checkpoint: str = ""
    quantize: str = ""
    precision: str = ""

    def __post_init__(self) -> None:
        choices = {
            "format": tuple(FORMATS),
            "checkpoint": ("", "best", "last"),
            "quantize": ("", *QUANTIZATIONS),
            "precision": ("", *PRECISIONS),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise OdtkError(f"{getattr(self, name)!r} is no {name} of an export. Reload the page, and choose.")

    @property
    def name(self) -> str:
        """The folder below the project's exports: the format, and what differs from its defaults."""
        parts = [self.checkpoint, self.quantize, self.precision]
        return "-".join([self.format, *(part for part in parts if part not in ("", "none", "float32"))])

    @property
    def keys(self) -> dict[str, str | None]:
        """Of the section export of a project file."""
        options = {"checkpoint": self.checkpoint, "quantize": self.quantize, "precision": self.precision}
        return {"format": self.format, **{name: value or None for name, value in options.items()}}

    def command(self, project: Project) -> Command:
        """What makes it."""
        shown = project.workspace.shown
        options = [word for name, value in self.keys.items() if value for word in (f"--{name}", value)]
        output = shown(project.exports / self.name)
        return command("export", shown(project.config), shown(project.run), output, *options, "--overwrite")


def run_files(project: Project) -> list[tuple[str, str]]:
    """The names and addresses of the config and of what the run noted."""
    paths = [project.config, *(project.run / name for name in _RUN_FILES)]
    return [(path.name, f"/files/{project.workspace.shown(path)}?download") for path in paths if path.exists()]
