"""Projects: the list, a new one, and where each goes on."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.tools.zoo_checkpoints import checkpoints_here
from odtk.web.commands import Command, command, shell_line
from odtk.web.model_views import done_commands
from odtk.web.model_views.new_project import OWN, PRETRAINED, NewProject, create, forget, record_folders, require_usable
from odtk.web.model_views.open_config import MAX_FORM
from odtk.web.model_views.pipeline_cards import by_kind, card_called
from odtk.web.model_views.stages import project_line, stage_of
from odtk.web.model_views.start_points import zoo_folders
from odtk.web.model_views.summaries import failure, shown_architecture, summary_command, summary_of_shipped
from odtk.web.projects import Project, all_projects
from odtk.web.record_making import section_of
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()


@pages.get("/projects")
def listed(request: Request, studio: Studio) -> Response:
    """All projects, the one that changed last first."""
    lines = [project_line(each) for each in all_projects(studio.workspace)]
    shown = [shell_line("ls", studio.workspace.projects.name)] if lines else []
    return studio.page("projects.html", "Projects", section="Projects", lines=lines, commands=shown)


@pages.get("/projects/new")
def new(request: Request, studio: Studio) -> Response:
    """The form for a new project."""
    query = request.query_params
    asked = NewProject(query.get("name", ""), query.get("records", ""), query.get("base", ""), PRETRAINED)
    return _form(studio, asked)


@pages.post("/projects/new", max_bytes=MAX_FORM)
async def make(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes a project and its config."""
    given = {key: text_field(form, key) for key in ("records", "base", "own_path", "own_text")}
    given["records"] = text_field(form, "records_path") or given["records"]
    asked = NewProject(text_field(form, "name"), start=text_field(form, "start", PRETRAINED), **given)
    try:
        project, words = await run_in_threadpool(_create, studio, asked)
    except OdtkError as error:
        return await run_in_threadpool(_form, studio, asked, str(error))
    outcome = await studio.commands.run(words)
    try:
        if outcome.error is not None:
            raise OdtkError(outcome.error)
        await run_in_threadpool(require_usable, project)
    except OdtkError as error:
        await run_in_threadpool(forget, project)
        return await run_in_threadpool(_form, studio, asked, str(error))
    await run_in_threadpool(done_commands.note, project, words)
    return redirect(request, f"/projects/{project.name}/model")


def _create(studio: Studio, asked: NewProject) -> tuple[Project, Command]:
    made_by = section_of(studio, asked.records) if asked.records else None
    return create(studio.workspace, asked, made_by)


@pages.get("/projects/new/cost/{base}")
def cost(request: Request, studio: Studio) -> Response:
    """What a shipped pipeline needs, as its summary finds; asked for again while that runs."""
    return _cost(request, studio)


@pages.post("/projects/new/cost/{base}")
def cost_again(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes a summary once more that could not be made."""
    return _cost(request, studio, again=True)


def _cost(request: Request, studio: Studio, again: bool = False) -> Response:
    card = card_called(request.path_params["base"])
    if card is None:
        raise OdtkError("There is no such pipeline.")
    run = summary_of_shipped(studio, card.name, again)
    found = shown_architecture(run)
    return studio.piece("new_project_cost.html", card=card, run=run, found=found, failure=failure(run))


@pages.get("/projects/{name}")
def one(request: Request, studio: Studio) -> Response:
    """The page that is next for a project."""
    project = project_of(request, studio)
    return redirect(request, f"/projects/{project.name}/{stage_of(project)}")


def _form(studio: Studio, asked: NewProject, problem: str = "") -> Response:
    workspace = studio.workspace
    folders = record_folders(workspace)
    kinds = by_kind()
    here = checkpoints_here(zoo_folders(workspace))
    base = asked.base if asked.base not in ("", OWN) else "BASE"
    words = ["--output", "projects/NAME/pipeline.config", "--train-records", asked.records or "records/NAME"]
    shown = [command("configure", base, *words), summary_command(base)]
    return studio.page(
        "new_project.html", "New project", section="Projects", status=400 if problem else 200, asked=asked,
        problem=problem, folders=folders, kinds=kinds, here=here, own=OWN, commands=shown,
    )  # fmt: skip
