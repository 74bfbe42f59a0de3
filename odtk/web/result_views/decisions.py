"""What someone decided about each suspected label error of a project.

The decisions are `projects/NAME/corrections.csv`, which `odtk correct` takes. While they are written, they stand in a
file of their own, so that those made meanwhile are no part of it; once they are written, that gets the date into its
name. Those of an earlier evaluation, which are about no suspect of today, are put aside.
"""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odtk.datasets.corrections import CHANGE, COLUMNS, DISCARD, KEEP, RANK, SUSPECT, write_corrections
from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.projects import Project
from odtk.web.result_views.records_again import options_of_records
from odtk.web.result_views.run_files import dataset_folder
from odtk.web.result_views.suspects import (
    SIDES,
    Box,
    SuspectPicture,
    SuspectRow,
    box_in,
    picture_of,
    read_suspects,
    suspects_file,
    texts_of,
)

DECIDED = {KEEP: "accepted as it is", CHANGE: "corrected", DISCARD: "discarded"}
_OPTIONS = ("format", "boxes", "exif")  # of make-tfrecords that odtk correct has, too
_locks: dict[Path, threading.Lock] = {}


@dataclass(frozen=True)
class Decision:
    """What someone said about a suspect."""

    decision: str
    class_name: str = ""
    box: Box | None = None


def corrections_file(project: Project) -> Path:
    """The decisions that are not written yet."""
    return project.folder / "corrections.csv"


def writing_file(project: Project) -> Path:
    """Those that are being written."""
    return project.folder / "corrections.writing.csv"


def earlier_file(project: Project) -> Path:
    """Those of earlier evaluations that were never written."""
    return project.folder / "earlier-corrections.csv"


def read_decisions(project: Project) -> dict[int, Decision]:
    """The decisions by the rank of their suspects; those of an earlier evaluation are left out."""
    known, _ = _sorted_out(project, _rows(corrections_file(project)))
    return {int(row[RANK]): Decision(row["decision"], row["class"], box_in(row, "")) for row in known}


def earlier_decisions(project: Project) -> dict[str, int]:
    """File to the number of decisions of an earlier evaluation in it."""
    _, unknown = _sorted_out(project, _rows(corrections_file(project)))
    counts = {corrections_file(project): len(unknown), earlier_file(project): len(_rows(earlier_file(project)))}
    return {project.workspace.shown(path): count for path, count in counts.items() if count}


def written_ranks(project: Project) -> set[int]:
    """The suspects whose decisions are in the annotation files already."""
    if not suspects_file(project).exists():
        return set()
    since = suspects_file(project).stat().st_mtime
    files = [path for path in project.folder.glob("corrections-*.csv") if path.stat().st_mtime >= since]
    known, _ = _sorted_out(project, [row for path in files for row in _rows(path)])
    return {int(row[RANK]) for row in known}


def writing_ranks(project: Project) -> set[int]:
    """The suspects whose decisions are being written."""
    known, _ = _sorted_out(project, _rows(writing_file(project)))
    return {int(row[RANK]) for row in known}


def decide(project: Project, row: SuspectRow, decision: Decision) -> None:
    """Notes a decision in place of an earlier one; OdtkError if it says nothing clear, or comes too late."""
    picture = picture_of(project, row)
    if decision.decision == DISCARD and row.annotated_box is None:
        raise OdtkError("Nothing is annotated there, so nothing can be discarded.")
    if decision.decision == CHANGE and decision.box == row.detected_box:
        decision = replace(decision, box=picture.clipped(row.detected_box))
    if decision.decision == CHANGE:
        _check(decision, picture)
    with _lock(project):
        if row.rank in writing_ranks(project) | written_ranks(project):
            raise OdtkError(f"What was decided about suspect {row.rank} is in the annotation files. Evaluate again.")
        _put_earlier_aside(project)
        others = [each for each in _rows(corrections_file(project)) if each[RANK] != str(row.rank)]
        _write(project, [*others, _line(row, decision, str(picture.width), str(picture.height))])


def withdraw(project: Project, row: SuspectRow) -> None:
    """Takes a decision out that is not written yet: one that cannot be written keeps the others from it."""
    with _lock(project):
        _write(project, [each for each in _rows(corrections_file(project)) if each.get(SUSPECT) != row.mark])


def begin_writing(project: Project) -> None:
    """Moves the decisions of today's suspects to `writing_file`; OdtkError if there are none."""
    _take_back(project)
    with _lock(project):
        _put_earlier_aside(project)
        if not corrections_file(project).exists():
            raise OdtkError("Nothing was decided yet. Look at the suspects first.")
        corrections_file(project).rename(writing_file(project))


def end_writing(project: Project, is_written: bool) -> None:
    """Notes that the decisions of `writing_file` are written, or takes them back."""
    if not is_written:
        _take_back(project)
        return
    with _lock(project):
        path = _free(project.folder / time.strftime("corrections-%Y%m%d-%H%M%S.csv"))
        writing_file(project).rename(path)


def _take_back(project: Project) -> None:
    """The decisions whose writing failed or was cut off are to be written again, unless there are newer ones."""
    with _lock(project):
        rows = _rows(writing_file(project))
        if rows:
            newer = _rows(corrections_file(project))
            ranks = {row[RANK] for row in newer}
            _write(project, [*(row for row in rows if row[RANK] not in ranks), *newer])
        writing_file(project).unlink(missing_ok=True)


def correct_command(project: Project, table: Path) -> Command:
    """What writes a table of decisions into the annotation files; OdtkError if it is not known where they are."""
    folder = dataset_folder(project)
    if folder is None:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    inside = project.workspace.inside(folder)
    found = options_of_records(project)
    options = [f"--{key}={found[key]}" for key in _OPTIONS if found.get(key)]
    shown = project.workspace.shown
    # A writing that was cut off may have come to its end.
    return command("correct", shown(inside), shown(table), *options, "--resume", "--json")


def _lock(project: Project) -> threading.Lock:
    """Of a project's decisions: two people, or two tabs, may decide at the same time."""
    return _locks.setdefault(project.folder, threading.Lock())


def _sorted_out(project: Project, rows: Sequence[dict[str, str]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows about suspects of today, and the others."""
    known = {row.mark for row in read_suspects(project)} if rows else set()
    found: tuple[list, list] = ([], [])
    for row in rows:
        found[row.get(SUSPECT) not in known].append(row)
    return found


def _put_earlier_aside(project: Project) -> None:
    """Leaves only decisions about suspects of today in `corrections_file`."""
    known, unknown = _sorted_out(project, _rows(corrections_file(project)))
    if unknown:
        write_corrections(earlier_file(project), map(_plain, [*_rows(earlier_file(project)), *unknown]))
        _write(project, known)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    return list(rows) if set(COLUMNS) <= set(rows.fieldnames or ()) else []


def _write(project: Project, rows: Sequence[Mapping[str, str]]) -> None:
    if not rows:
        corrections_file(project).unlink(missing_ok=True)
        return
    write_corrections(corrections_file(project), map(_plain, sorted(rows, key=_rank)))


def _rank(row: Mapping[str, str]) -> int:
    text = row.get(RANK) or ""
    return int(text) if text.isdecimal() else 0  # of someone's own table


def _plain(row: Mapping[str, str]) -> dict[str, str]:
    return {name: row.get(name) or "" for name in (*COLUMNS, RANK, SUSPECT)}


def _free(path: Path) -> Path:
    """Two may be written within a second."""
    number, found = 2, path
    while found.exists():
        number, found = number + 1, path.with_stem(f"{path.stem}-{number}")
    return found


def _check(decision: Decision, picture: SuspectPicture) -> None:
    if not decision.class_name or decision.box is None:
        raise OdtkError("A corrected box needs a class and four numbers.")
    left, top, right, bottom = decision.box
    if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
        raise OdtkError(
            f"The box from {left:g}, {top:g} to {right:g}, {bottom:g} has no area, or is not inside the picture of "
            f"{picture.width} x {picture.height} pixels."
        )


def _line(row: SuspectRow, decision: Decision, width: str, height: str) -> dict[str, str]:
    annotated = {f"annotated_{side}": text for side, text in zip(SIDES, texts_of(row.annotated_box), strict=True)}
    box = dict(zip(SIDES, texts_of(decision.box if decision.decision == CHANGE else None), strict=True))
    return {
        RANK: str(row.rank), SUSPECT: row.mark, "image": row.image, "decision": decision.decision,
        "annotated_class": row.annotated_class, **annotated,
        "class": decision.class_name if decision.decision == CHANGE else "", **box, "width": width, "height": height,
    }  # fmt: skip
