"""A project's training: started, watched, paused, changed, and trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.live import watch
from odtk.web.projects import Project, copy_project, free_name
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.run_views.config_change import TypedChange, change_command, explain_query, make_change, read_change
from odtk.web.run_views.run_folder import checkpoint_steps
from odtk.web.run_views.run_store import store_of
from odtk.web.run_views.training_command import check_command, training_command, training_options
from odtk.web.run_views.training_jobs import end_training, start_training, take_out_waiting
from odtk.web.run_views.training_view import TrainingView, facts_of_file, look, planned_steps
from odtk.web.studio import Studio

pages = Pages()

_ADDRESS = "/projects/{name}/training"


@pages.get(_ADDRESS)
def training(request: Request, studio: Studio) -> Response:
    """The page, as everything stands now.

    `?at=60&rate=0.02&steps=200&schedule=200`: at step 60 the config was changed, and that is what it had before.
    """
    project = project_of(request, studio)
    return _page(studio, project, told=explain_query(project, request.query_params))


@pages.get(_ADDRESS + "/live")
def live(request: Request, studio: Studio) -> Response:
    """The pieces of the page, whenever they change."""
    project = project_of(request, studio)
    return watch(request, studio.closing, lambda: _pieces(studio, project))


@pages.post(_ADDRESS + "/start")
async def start(request: Request, studio: Studio, form: FormData) -> Response:
    """Checks the config and adds the job, which starts the run or goes on with it."""
    project = await run_in_threadpool(project_of, request, studio)
    try:
        blocked = await start_training(studio, project)
    except OdtkError as error:
        return await run_in_threadpool(_page, studio, project, problem=str(error))
    if blocked:
        return await run_in_threadpool(_page, studio, project, blocked=blocked)
    return _back(request, project)


@pages.post(_ADDRESS + "/pause")
def pause(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends the training with a checkpoint."""
    project = project_of(request, studio)
    end_training(studio, project)
    return _back(request, project)


@pages.post(_ADDRESS + "/stop")
def stop(request: Request, studio: Studio, form: FormData) -> Response:
    """Likewise, and takes out what waits in the queue for this project; an evaluation that runs goes on."""
    project = project_of(request, studio)
    # What waits goes first: the end of the training would let it start.
    take_out_waiting(studio, project)
    end_training(studio, project)
    return _back(request, project)


@pages.post(_ADDRESS + "/worker")
def worker(request: Request, studio: Studio, form: FormData) -> Response:
    """Starts a worker for jobs that wait without one, as after a restart of the machine."""
    studio.jobs.start_worker()
    return _back(request, project_of(request, studio))


@pages.post(_ADDRESS + "/change")
async def change(request: Request, studio: Studio, form: FormData) -> Response:
    """Edits learning rate and steps in the config, and goes on with the run."""
    project = await run_in_threadpool(project_of, request, studio)
    texts = [text_field(form, name) for name in ("rate", "num_steps", "was:rate", "was:num_steps")]
    typed = TypedChange(*texts)
    kept = {"typed_rate": typed.new_rate, "typed_steps": typed.new_steps}
    try:
        asked = await read_change(studio, project, typed)
        blocked = await make_change(studio, project, asked)
    except OdtkError as error:
        return await run_in_threadpool(_page, studio, project, problem=str(error), typed=kept)
    if blocked:
        problem = "Nothing was changed: with it, the config would have these errors."
        return await run_in_threadpool(_page, studio, project, blocked=blocked, problem=problem, typed=kept)
    return redirect(request, f"/projects/{project.name}/training?{asked.as_query()}")


@pages.post(_ADDRESS + "/copy")
def copy(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes a project of the same data, options and config, whose model is then changed."""
    project = project_of(request, studio)
    name = text_field(form, "name")
    try:
        made = copy_project(project, name)
    except OdtkError as error:
        return _page(studio, project, problem=str(error), typed={"copy_name": name})
    return redirect(request, f"/projects/{made.name}/model")


def _back(request: Request, project: Project) -> Response:
    return redirect(request, f"/projects/{project.name}/training")


def _page(
    studio: Studio,
    project: Project,
    *,
    blocked: Sequence[Mapping[str, Any]] = (),
    problem: str = "",
    told: Sequence[str] = (),
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The page; `typed` is what a form that was refused had, which is kept there, instead of what is so."""
    view = look(project, studio.jobs, store_of(studio))
    chosen: dict[str, Any] = {}
    commands: list[Command] = []
    try:
        chosen = training_options(project)
        commands = _commands(project, view)
    except OdtkError as error:
        problem = problem or str(error)
    context: dict[str, Any] = {
        "view": view,
        "facts": facts_of_file(project.config),
        "has_config": project.config.exists(),
        "steps": planned_steps(project),
        "has_checkpoint": bool(checkpoint_steps(project.run)),
        "options": chosen,
        "typed_rate": "",
        "typed_steps": "",
        "copy_name": free_name(project),
    }
    context |= typed or {}
    return studio.page(
        "training.html", f"Training of {project.name}", section="Training", project=project, commands=commands,
        blocked=blocked, problem=problem, told=told, status=200 if typed is None else 400, **context,
    )  # fmt: skip


def _commands(project: Project, view: TrainingView) -> list[Command]:
    """What the page's buttons run."""
    if not project.config.exists():
        return []
    found = [check_command(project), training_command(project)]
    facts = facts_of_file(project.config)
    if facts is not None:
        found.append(change_command(project, facts.rate, facts.num_steps))
    if view.state.job is not None and view.state.is_active:
        found.append(command("queue", "cancel", view.state.job.number, "--queue", "queue.db"))
    return found


def _pieces(studio: Studio, project: Project) -> dict[str, str]:
    """Name of an event to the piece of the page; in a thread."""
    store = store_of(studio)
    view = look(project, studio.jobs, store)

    def piece(name: str) -> str:
        return studio.html(
            "training_piece.html", name=name, view=view, project=project, has_config=project.config.exists(),
            has_checkpoint=bool(checkpoint_steps(project.run)), facts=facts_of_file(project.config),
            steps=planned_steps(project),
        )  # fmt: skip

    drawn = store.pieces(view.drawn, lambda: {name: piece(name) for name in ("charts", "values")})
    changing = ("state", "status", "troubles", "actions", "pictures", "batches", "sessions", "planned")
    return {**{name: piece(name) for name in changing}, "log": studio.html("log.html", log=view.log or ""), **drawn}
