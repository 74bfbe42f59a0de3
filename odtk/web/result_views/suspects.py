"""Suspected label errors of a project, as its evaluation lists them, and their pictures."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from odtk.errors import OdtkError
from odtk.records.example import read_features
from odtk.records.shards import walk_records
from odtk.web.projects import Project

Box = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in pixels."""
SIDES = ("xmin", "ymin", "xmax", "ymax")


_NAMES = ("image/source_id", "image/filename")


class OutdatedSuspects(OdtkError):
    """The records are not those any more that the evaluation read."""


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
    def mark(self) -> str:
        """Of this very suspicion, for forms and decisions: another evaluation may give its rank to another one."""
        return hashlib.sha256(repr(dataclasses.astuple(self)).encode(errors="surrogateescape")).hexdigest()[:16]


def texts_of(box: Box | None) -> tuple[str, ...]:
    """The sides as a table has them; empty texts without a box."""
    return ("",) * 4 if box is None else tuple(f"{side:g}" for side in box)


def suspects_file(project: Project) -> Path:
    """What the evaluation writes."""
    return project.folder / "suspects.csv"


def read_suspects(project: Project) -> list[SuspectRow]:
    """The suspects, the most suspicious first; none without an evaluation."""
    path = suspects_file(project)
    return list(_read(path, path.stat().st_mtime_ns)) if path.exists() else []


@functools.lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> tuple[SuspectRow, ...]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    return tuple(_row(row) for row in rows if row.get("file"))


def _row(row: Mapping[str, str]) -> SuspectRow:
    detected = box_in(row, "detected_")
    assert detected is not None  # every suspect is about a detection
    return SuspectRow(
        rank=int(row["rank"]),
        image=row["image"],
        kind=row["kind"],
        annotated_class=row["annotated_class"],
        annotated_box=box_in(row, "annotated_"),
        detected_class=row["detected_class"],
        detected_box=detected,
        score=float(row["score"]),
        record=(row["file"], int(row["record"])),
    )


def box_in(row: Mapping[str, str], prefix: str) -> Box | None:
    """The box in the columns of this prefix; None if one is empty."""
    texts = [row[prefix + side] for side in SIDES]
    if not all(texts):
        return None
    left, top, right, bottom = map(float, texts)
    return left, top, right, bottom


def suspect_of(project: Project, rank: int, mark: str) -> SuspectRow:
    """A suspect by its rank, if it is still the one of this mark; OdtkError if not."""
    found = next((row for row in read_suspects(project) if row.rank == rank), None)
    if found is None or found.mark != mark:
        now = "there is no such suspect" if found is None else "that rank is of another suspect"
        raise OdtkError(
            f"The run was evaluated again since suspect {rank} was shown, and {now} now. Look at the list as it is."
        )
    return found


@dataclass(frozen=True)
class SuspectPicture:
    """The picture of a suspect, as its record has it."""

    encoded: bytes
    width: int
    height: int
    kind: str
    """Its media type."""

    def clipped(self, box: Box) -> Box:
        """The part of a box in the picture: what is annotated or detected may reach over its edges."""
        left, top, right, bottom = box
        return max(left, 0.0), max(top, 0.0), min(right, float(self.width)), min(bottom, float(self.height))


def picture_of(project: Project, row: SuspectRow) -> SuspectPicture:
    """Reads the record, if it is below a folder of the studio; OutdatedSuspects if it is not there any more."""
    from PIL import Image

    file, number = row.record
    path = project.workspace.inside(file)
    if not path.is_file():
        raise OutdatedSuspects(f"{file} is not there any more. Evaluate again.")
    found = next((each for place, each in enumerate(walk_records(path)) if place == number), None)
    data = getattr(found, "data", None)
    if not data:
        raise OutdatedSuspects(f"{file} has no record {number} any more. Evaluate again.")
    features = read_features(data)
    names = {each.decode("utf-8", "replace") for key in _NAMES for each in features.get(key, [])}
    if names and row.image not in names:
        text = f"The records were made again: record {number} of {file} is not {row.image}. Evaluate again."
        raise OutdatedSuspects(text)
    encoded = features["image/encoded"][0]
    with Image.open(io.BytesIO(encoded)) as image:
        kind = {"JPEG": "image/jpeg", "PNG": "image/png"}.get(image.format or "", "application/octet-stream")
        return SuspectPicture(encoded, *image.size, kind)
