"""Suspected label errors, one after the other: accept, correct or discard; then write them back and train again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.datasets.corrections import CHANGE, DISCARD, KEEP
from odtk.errors import OdtkError
from odtk.web import data_use
from odtk.web.background import RUNNING
from odtk.web.commands import Command, Outcome
from odtk.web.live import watch
from odtk.web.projects import Project, copy_project, free_name
from odtk.web.result_views import decisions, suspects
from odtk.web.result_views.decisions import DECIDED, Decision
from odtk.web.result_views.evaluation import evaluate_command
from odtk.web.result_views.records_again import options_of_records, records_again_command
from odtk.web.result_views.run_files import class_names, dataset_folder, has_model
from odtk.web.result_views.suspects import Box, OutdatedSuspects, SuspectRow
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.run_views.training_command import job_name, training_command
from odtk.web.studio import Studio

pages = Pages()

_TAKE = "take"  # the detected box and class, without looking at numbers
_WITHDRAW = "withdraw"  # what was decided, as long as it is not written


@pages.get("/projects/{name}/results/review")
def review(request: Request, studio: Studio) -> Response:
    """The list, and one suspect with its picture."""
    return _page(studio, project_of(request, studio), request.query_params.get("at", ""))


def _page(
    studio: Studio, project: Project, wanted: str, problem: str = "", typed: Mapping[str, str] | None = None
) -> Response:
    """The page at the suspect of a rank, or at the first that is open; with a problem, and what was typed then."""
    _end_cut_off(studio, project)
    rows, decided, done = _all(project)
    open_rows = [row for row in rows if row.rank not in decided and row.rank not in done]
    row = next((row for row in rows if str(row.rank) == wanted), open_rows[0] if open_rows else None)
    shown, outdated = _shown(project, row, decided, typed or {}) if row else (None, "")
    again = [evaluate_command(project)] if outdated else []
    return studio.page(
        "review.html", "Suspected label errors", section="Results", project=project, part="Label errors",
        status=400 if problem else 200, problem=problem,
        has_model=has_model(project), rows=rows, decisions=decided, done=done, left=len(open_rows), row=row,
        said=DECIDED, shown=shown, outdated=outdated,
        earlier=decisions.earlier_decisions(project),
        names=_names(project, rows), commands=[*again, *_commands(project)],
        **_actions(studio, project), **_state(studio, project),
    )  # fmt: skip


@pages.get("/projects/{name}/results/review/picture/{rank:int}")
def picture(request: Request, studio: Studio) -> Response:
    """The picture of a suspect, from its record."""
    project = project_of(request, studio)
    row = suspects.suspect_of(project, request.path_params["rank"], request.query_params.get("suspect", ""))
    found = suspects.picture_of(project, row)
    return Response(found.encoded, media_type=found.kind)


@pages.get("/projects/{name}/results/review/live")
def live(request: Request, studio: Studio) -> Response:
    """How far the writing is, and what can be done then."""
    project = project_of(request, studio)

    def pieces() -> dict[str, str]:
        state = _state(studio, project)
        return {
            "state": studio.html("review_state.html", project=project, **state),
            "actions": studio.html("review_actions.html", project=project, **state, **_actions(studio, project)),
        }

    return watch(request, studio.closing, pieces)


@pages.post("/projects/{name}/results/review/{rank:int}")
def decide(request: Request, studio: Studio, form: FormData) -> Response:
    """Notes what someone said about the suspect that was shown, and shows the next one."""
    project, rank, typed = project_of(request, studio), request.path_params["rank"], {}
    try:
        row = suspects.suspect_of(project, rank, text_field(form, "suspect"))
        typed = {name: text_field(form, name) for name in ("class", *suspects.SIDES)}
        if text_field(form, "do") == _WITHDRAW:
            decisions.withdraw(project, row)
        else:
            decisions.decide(project, row, _decision(row, form))
    except OdtkError as error:
        return _page(studio, project, str(rank), str(error), typed)
    return redirect(request, f"/projects/{project.name}/results/review")


@pages.post("/projects/{name}/results/review/write")
def write(request: Request, studio: Studio, form: FormData) -> Response:
    """Writes the decisions into the annotation files."""
    project = project_of(request, studio)
    correct = decisions.correct_command(project, decisions.writing_file(project))

    def ended(outcome: Outcome) -> None:
        decisions.end_writing(project, outcome.exit_code == 0)

    # Held from the file of what is written to its command: what finds the one without the other takes it for cut off.
    with data_use.LOCK:
        if not _is_writing(studio, project):
            data_use.require_unread(studio, _data_of(project))
            decisions.begin_writing(project)
            studio.background.start(_key(project), correct, ended)
    return redirect(request, f"/projects/{project.name}/results/review")


@pages.post("/projects/{name}/results/review/folder")
def set_folder(request: Request, studio: Studio, form: FormData) -> Response:
    """Notes where the project's annotated data are."""
    project = project_of(request, studio)
    folder = studio.workspace.inside(text_field(form, "folder"))
    if not folder.is_dir() or folder == studio.workspace.folder:
        raise OdtkError(f"{studio.workspace.shown(folder)} is no folder of data.")
    project.update("make-tfrecords", {"data-dir": project.relative(folder), **options_of_records(project)})
    return redirect(request, f"/projects/{project.name}/results/review")


@pages.post("/projects/{name}/results/review/train")
def train_again(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes the records again, and trains a copy of the project with them: two jobs, one after the other."""
    project = project_of(request, studio)
    with data_use.LOCK:
        if hindrance := _hindrance(studio, project):
            raise OdtkError(hindrance)
        made = records_again_command(project)
        training_command(project)  # what it refuses is refused before anything is made
        copied = copy_project(project, text_field(form, "copy", free_name(project)))
        records = studio.jobs.add(made, f"records:{project.name}")
        studio.jobs.add(training_command(copied), job_name(copied), (records.number,))
    return redirect(request, f"/projects/{copied.name}/training")


def _end_cut_off(studio: Studio, project: Project) -> None:
    """Takes back the decisions whose writing was cut off, as a studio that was killed leaves them."""
    with data_use.LOCK:
        if decisions.writing_file(project).exists() and not _is_writing(studio, project):
            decisions.end_writing(project, is_written=False)


def _all(project: Project) -> tuple[list[SuspectRow], dict[int, Decision], dict[int, str]]:
    """The suspects, what was decided, and which are written or about to be."""
    writing = dict.fromkeys(decisions.writing_ranks(project), "being written")
    done = writing | dict.fromkeys(decisions.written_ranks(project), "written")
    return suspects.read_suspects(project), decisions.read_decisions(project), done


def _shown(
    project: Project, row: SuspectRow, decided: dict[int, Decision], typed: Mapping[str, str]
) -> tuple[dict[str, Any] | None, str]:
    """The picture's size, its box, and what stands in the form; or why there is no picture any more."""
    try:
        found = suspects.picture_of(project, row)
    except OutdatedSuspects as error:
        return None, str(error)
    decision = decided.get(row.rank)
    box = (decision.box if decision else None) or row.annotated_box or row.detected_box
    name = (decision.class_name if decision else "") or row.annotated_class or row.detected_class
    box = found.clipped(box)
    texts = {side: f"{value:g}" for side, value in zip(suspects.SIDES, box, strict=True)}
    return {"width": found.width, "height": found.height, "box": box, "texts": {"class": name, **texts, **typed}}, ""


def _names(project: Project, rows: list[SuspectRow]) -> list[str]:
    """The classes to choose from."""
    found = [name for row in rows for name in (row.annotated_class, row.detected_class) if name]
    return list(dict.fromkeys([*class_names(project).values(), *sorted(found)]))


def _decision(row: SuspectRow, form: FormData) -> Decision:
    what = text_field(form, "do")
    if what == _TAKE:
        return Decision(CHANGE, row.detected_class, row.detected_box)
    if what == CHANGE:
        return Decision(CHANGE, text_field(form, "class"), _box(form))
    if what in (KEEP, DISCARD):
        return Decision(what)
    raise OdtkError("Choose what becomes of the box.")


def _box(form: FormData) -> Box:
    try:
        left, top, right, bottom = (float(text_field(form, side)) for side in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        raise OdtkError("The corners of the box are four numbers, in pixels.") from None
    return left, top, right, bottom


def _commands(project: Project) -> list[Command]:
    """Those that the buttons run, or what lists the suspects as long as it is not known where the data are."""
    if dataset_folder(project) is None:
        return [evaluate_command(project)]
    try:
        # The button moves the table first, so that what is decided meanwhile is no part of it.
        correct = decisions.correct_command(project, decisions.corrections_file(project))
        return [correct, records_again_command(project), _copied(project)]
    except OdtkError:
        return []


def _copied(project: Project) -> Command:
    """What trains the copy that is not made yet."""
    name, shown = free_name(project), project.workspace.shown
    copied = Project(project.workspace, name)
    places = {shown(project.config): shown(copied.config), shown(project.run): shown(copied.run)}
    return Command(tuple(places.get(word, word) for word in training_command(project).words))


def _state(studio: Studio, project: Project) -> dict[str, Any]:
    run = studio.background.find(_key(project))
    return {"run": run, "is_running": _is_writing(studio, project)}


def _actions(studio: Studio, project: Project) -> dict[str, Any]:
    """What the buttons at the page's end need."""
    return {
        "folder": dataset_folder(project), "copy_name": free_name(project),
        "count": len(decisions.read_decisions(project)), "hindrance": _hindrance(studio, project),
    }  # fmt: skip


def _hindrance(studio: Studio, project: Project) -> str:
    """Why no records can be made again now that have all that was decided; empty if they can."""
    if dataset_folder(project) is None:
        return ""
    if count := len(decisions.read_decisions(project)):
        said = "1 decision is" if count == 1 else f"{count} decisions are"
        return f"{said} not written yet, so the records would be made without. Write them first, or take them back."
    try:
        records_again_command(project)
        data_use.require_unwritten(studio, _data_of(project))
    except OdtkError as error:
        return str(error)
    return ""


def _data_of(project: Project) -> Path:
    """The folder of the annotations; OdtkError if it is not known, or not below those of the studio."""
    folder = dataset_folder(project)
    if folder is None:
        raise OdtkError("The project does not say where its annotated data are. Give their folder first.")
    return project.workspace.inside(folder)


def _is_writing(studio: Studio, project: Project) -> bool:
    run = studio.background.find(_key(project))
    return run is not None and run.state == RUNNING


def _key(project: Project) -> str:
    return f"correct:{project.name}"
