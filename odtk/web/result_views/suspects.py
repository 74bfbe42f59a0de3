"""Suspected label errors of a project, and what someone decided about each.

The decisions are `projects/NAME/corrections.csv`, which `odtk correct` takes; once they are written, the file gets the
date into its name.
"""

from __future__ import annotations

import csv
import functools
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from odtk.datasets.corrections import CHANGE, COLUMNS, DISCARD, KEEP, write_corrections
from odtk.errors import OdtkError
from odtk.records.example import read_features
from odtk.records.shards import walk_records
from odtk.web.commands import Command, command
from odtk.web.projects import Project
from odtk.web.result_views.run_files import dataset_folder

Box = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in pixels."""
_SIDES = ("xmin", "ymin", "xmax", "ymax")
DECIDED = {KEEP: "accepted as it is", CHANGE: "corrected", DISCARD: "discarded"}
_OPTIONS = ("format", "boxes", "exif")  # of make-tfrecords that odtk correct has, too


@dataclass(frozen=True)
class SuspectRow:
    """One row of the table that `odtk evaluate --export-suspects` writes."""

    rank: int
    image: str
    kind: str
    annotated_class: str
    annotated_box: Box | None
    detected_class: str
    detected_box: Box
    score: float
    record: tuple[str, int]
    """File and number of the record, from 0."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What a decision about it has, too."""
        sides = _texts(self.annotated_box)
        return (str(self.rank), self.image, self.annotated_class, *sides)


def _texts(box: Box | None) -> tuple[str, ...]:
    return ("",) * 4 if box is None else tuple(f"{side:g}" for side in box)


def suspects_file(project: Project) -> Path:
    """What the evaluation writes."""
    return project.folder / "suspects.csv"


def corrections_file(project: Project) -> Path:
    """The decisions that are not written yet."""
    return project.folder / "corrections.csv"


def read_suspects(project: Project) -> list[SuspectRow]:
    """The suspects, the most suspicious first; none without an evaluation."""
    path = suspects_file(project)
    return list(_read(path, path.stat().st_mtime_ns)) if path.exists() else []


@functools.lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> tuple[SuspectRow, ...]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    return tuple(_row(row) for row in rows if row.get("file"))


def _row(row: Mapping[str, str]) -> SuspectRow:
    detected = _box(row, "detected_")
    assert detected is not None  # every suspect is about a detection
    return SuspectRow(
        rank=int(row["rank"]),
        image=row["image"],
        kind=row["kind"],
        annotated_class=row["annotated_class"],
        annotated_box=_box(row, "annotated_"),
        detected_class=row["detected_class"],
        detected_box=detected,
        score=float(row["score"]),
        record=(row["file"], int(row["record"])),
    )


def _box(row: Mapping[str, str], prefix: str) -> Box | None:
    texts = [row[prefix + side] for side in _SIDES]
    if not all(texts):
        return None
    left, top, right, bottom = map(float, texts)
    return left, top, right, bottom


def suspect_of(project: Project, rank: int) -> SuspectRow:
    """A suspect by its rank; OdtkError if there is none."""
    found = next((row for row in read_suspects(project) if row.rank == rank), None)
    if found is None:
        raise OdtkError(f"There is no suspect {rank}. Evaluate again, and reload the page.")
    return found


@dataclass(frozen=True)
class Picture:
    """The picture of a suspect, as its record has it."""

    encoded: bytes
    width: int
    height: int
    kind: str
    """Its media type."""


def picture_of(project: Project, row: SuspectRow) -> Picture:
    """Reads the record, if it is below a folder of the studio; OdtkError if it is not there any more."""
    from PIL import Image

    file, number = row.record
    path = project.workspace.inside(file)
    found = next((each for place, each in enumerate(walk_records(path)) if place == number), None)
    data = getattr(found, "data", None)
    if not data:
        raise OdtkError(f"{file} has no record {number} any more. Evaluate again.")
    encoded = read_features(data)["image/encoded"][0]
    with Image.open(io.BytesIO(encoded)) as image:
        kind = {"JPEG": "image/jpeg", "PNG": "image/png"}.get(image.format or "", "application/octet-stream")
        return Picture(encoded, *image.size, kind)


@dataclass(frozen=True)
class Decision:
    """What someone said about a suspect."""

    decision: str
    class_name: str = ""
    box: Box | None = None


def read_decisions(project: Project) -> dict[int, Decision]:
    """The decisions by the rank of their suspects; those of an earlier evaluation are left out."""
    known = {row.identity: row.rank for row in read_suspects(project)}
    found = {}
    for row in _rows(corrections_file(project)):
        identity = (row["rank"], row["image"], row["annotated_class"], *(row[f"annotated_{side}"] for side in _SIDES))
        if identity in known:
            found[known[identity]] = Decision(row["decision"], row["class"], _box(row, ""))
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    return list(rows) if set(COLUMNS) <= set(rows.fieldnames or ()) else []


def written_ranks(project: Project) -> set[int]:
    """The suspects whose decisions are in the annotation files already."""
    if not suspects_file(project).exists():
        return set()
    known, since = {row.identity[:3] for row in read_suspects(project)}, suspects_file(project).stat().st_mtime
    files = [path for path in project.folder.glob("corrections-*.csv") if path.stat().st_mtime >= since]
    rows = [row for path in files for row in _rows(path)]
    return {int(row["rank"]) for row in rows if (row["rank"], row["image"], row["annotated_class"]) in known}


def decide(project: Project, row: SuspectRow, decision: Decision) -> None:
    """Notes a decision in place of an earlier one; OdtkError if it says nothing clear."""
    picture = picture_of(project, row)
    if decision.decision == DISCARD and row.annotated_box is None:
        raise OdtkError("Nothing is annotated there, so nothing can be discarded.")
    if decision.decision == CHANGE:
        _check(decision, picture)
    kept = {rank: each for rank, each in read_decisions(project).items() if rank != row.rank}
    known = {each.rank: each for each in read_suspects(project)}
    sizes = {each["rank"]: (each["width"], each["height"]) for each in _rows(corrections_file(project))}
    rows = [_line(known[rank], each, *sizes[str(rank)]) for rank, each in kept.items()]
    rows.append(_line(row, decision, str(picture.width), str(picture.height)))
    write_corrections(corrections_file(project), sorted(rows, key=lambda each: int(each["rank"])))


def _check(decision: Decision, picture: Picture) -> None:
    if not decision.class_name or decision.box is None:
        raise OdtkError("A corrected box needs a class and four numbers.")
    left, top, right, bottom = decision.box
    if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
        raise OdtkError(
            f"The box from {left:g}, {top:g} to {right:g}, {bottom:g} has no area, or is not inside the picture of "
            f"{picture.width} x {picture.height} pixels."
        )


def _line(row: SuspectRow, decision: Decision, width: str, height: str) -> dict[str, str]:
    annotated = {f"annotated_{side}": text for side, text in zip(_SIDES, _texts(row.annotated_box), strict=True)}
    box = dict(zip(_SIDES, _texts(decision.box if decision.decision == CHANGE else None), strict=True))
    return {
        "rank": str(row.rank), "image": row.image, "decision": decision.decision,
        "annotated_class": row.annotated_class, **annotated,
        "class": decision.class_name if decision.decision == CHANGE else "", **box, "width": width, "height": height,
    }  # fmt: skip


def correct_command(project: Project) -> Command:
    """What writes the decisions into the annotation files; OdtkError if it is not known where they are."""
    folder = dataset_folder(project)
    if folder is None:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    inside = project.workspace.inside(folder)
    section = project.sections().get("make-tfrecords", {})
    options = [f"--{key}={section[key]}" for key in _OPTIONS if section.get(key)]
    shown = project.workspace.shown
    return command("correct", shown(inside), shown(corrections_file(project)), *options, "--json")


def put_aside(project: Project) -> None:
    """Notes that the decisions are written."""
    path = corrections_file(project)
    if path.exists():
        path.rename(path.with_name(time.strftime("corrections-%Y%m%d-%H%M%S.csv")))
