"""The evaluation of a run: its main numbers and where its report is."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtk.web.commands import Command, command
from odtk.web.projects import Project
from odtk.web.result_views.suspects import suspects_file

_METRICS = (
    ("mAP", "DetectionBoxes_Precision/mAP"),
    ("mAP at IoU 0.5", "DetectionBoxes_Precision/mAP@.50IOU"),
    ("mAP at IoU 0.75", "DetectionBoxes_Precision/mAP@.75IOU"),
)
_FILES = ("thresholds.json", "metrics.json", "classes.json", "detections.json")


@dataclass(frozen=True)
class Evaluation:
    """What the page shows of an evaluation."""

    model: str
    """Which checkpoint it is of, in words."""
    line: str
    """On how many images."""
    figures: list[tuple[str, str]]
    report: str | None
    """The address of the page; None if it was left out."""
    files: list[tuple[str, str]]
    """Names of the files beside it, with their addresses."""


def evaluate_command(project: Project, checkpoint: str = "", compared: Project | None = None) -> Command:
    """What evaluates a run, and lists the suspects."""
    shown = project.workspace.shown
    more = [*(["--checkpoint", checkpoint] if checkpoint else [])]
    more += ["--compare", shown(compared.run)] if compared else []
    suspects = shown(suspects_file(project))
    return command("evaluate", shown(project.config), shown(project.run), "--export-suspects", suspects, *more)


def read_evaluation(project: Project) -> Evaluation | None:
    """The last evaluation of a project's run; None if there is none, or it is being replaced."""
    folder = project.run / "eval"
    try:
        explained = _read(folder / "report" / "explanation.json")
        metrics = _read(folder / "metrics.json")
    except (OSError, ValueError):
        return None
    place = f"/files/{project.workspace.shown(folder)}"
    report = folder / "report.html"
    stamp = f"?made={report.stat().st_mtime_ns}" if report.exists() else ""
    return Evaluation(
        model=str(explained.get("model", "")),
        line=f"{explained.get('images', 0):,} images with {explained.get('boxes', 0):,} boxes",
        figures=_figures(metrics, explained),
        report=f"{place}/report.html{stamp}" if stamp else None,
        files=[(name, f"{place}/{name}?download") for name in _FILES if (folder / name).exists()],
    )


def _figures(metrics: dict[str, Any], explained: dict[str, Any]) -> list[tuple[str, str]]:
    figures = [(label, metrics[key]) for label, key in _METRICS if key in metrics] or list(metrics.items())[:3]
    micro = explained.get("micro") or {}
    figures += [(label, micro.get(label.lower())) for label in ("Precision", "Recall", "F1") if micro]
    return [(label, _in_words(value)) for label, value in figures]


def _in_words(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) and value >= 0 else "–"


def _read(path: Path) -> dict[str, Any]:
    return _read_once(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _read_once(path: Path, changed: int) -> dict[str, Any]:
    # A page asks each second, and the file of a large evaluation has megabytes.
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
