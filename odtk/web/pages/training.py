"""A project's training: started, watched, paused, changed, and trained again."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.atomic import write_text
from odtk.errors import OdtkError
from odtk.queue import ENDED, WAITING
from odtk.web.commands import Command, command
from odtk.web.live import watch
from odtk.web.projects import Project, copy_project, project_called
from odtk.web.routing import Pages, redirect, text_field
from odtk.web.run_views.option_form import option_fields, other_options, read_options
from odtk.web.run_views.run_folder import checkpoint_steps
from odtk.web.run_views.run_store import store_of
from odtk.web.run_views.training_command import (
    SECTION,
    change_command,
    check_command,
    explain_change,
    findings_before_training,
    job_name,
    training_command,
    training_options,
)
from odtk.web.run_views.training_view import TrainingView, facts_of_file, look
from odtk.web.studio import Studio

pages = Pages()

_ADDRESS = "/projects/{name}/training"


@pages.get(_ADDRESS)
async def training(request: Request, studio: Studio) -> Response:
    """The page, as everything stands now.

    `?at=60&rate=0.02&steps=200&schedule=200`: at step 60 the config was changed, and that is what it had before.
    """
    project = _project(request, studio)
    return await _page(studio, project, told=_told(request, project))


@pages.get(_ADDRESS + "/live")
async def live(request: Request, studio: Studio) -> Response:
    """The pieces of the page, whenever they change."""
    project = _project(request, studio)
    return watch(request, studio.closing, lambda: _pieces(studio, project))


@pages.post(_ADDRESS + "/start")
async def start(request: Request, studio: Studio, form: FormData) -> Response:
    """Checks the config and adds the job, which starts the run or goes on with it."""
    project = _project(request, studio)
    blocked = await _start(studio, project)
    return await _page(studio, project, blocked=blocked) if blocked else _back(request, project)


@pages.post(_ADDRESS + "/pause")
async def pause(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends the training with a checkpoint."""
    project = _project(request, studio)
    await run_in_threadpool(_cancel, studio, (job_name(project),))
    return _back(request, project)


@pages.post(_ADDRESS + "/stop")
async def stop(request: Request, studio: Studio, form: FormData) -> Response:
    """Likewise, and takes out what waits in the queue for this project."""
    project = _project(request, studio)
    await run_in_threadpool(_cancel, studio, (job_name(project), f"evaluate:{project.name}", f"export:{project.name}/"))
    return _back(request, project)


@pages.post(_ADDRESS + "/worker")
async def worker(request: Request, studio: Studio, form: FormData) -> Response:
    """Starts a worker for jobs that wait without one, as after a restart of the machine."""
    await run_in_threadpool(studio.jobs.start_worker)
    return _back(request, _project(request, studio))


@pages.post(_ADDRESS + "/change")
async def change(request: Request, studio: Studio, form: FormData) -> Response:
    """Edits learning rate and steps in the config, and goes on with the run."""
    project = _project(request, studio)
    try:
        return await _change(request, studio, project, text_field(form, "rate"), text_field(form, "num_steps"))
    except OdtkError as error:
        return await _page(studio, project, problem=str(error))


@pages.post(_ADDRESS + "/options")
async def options(request: Request, studio: Studio, form: FormData) -> Response:
    """Keeps the options of the training in the project file."""
    project = _project(request, studio)
    try:
        project.update(SECTION, {"pipeline-config": project.config.name, **read_options(form)})
    except OdtkError as error:
        return await _page(studio, project, problem=str(error), options_open=True)
    return _back(request, project)


@pages.post(_ADDRESS + "/copy")
async def copy(request: Request, studio: Studio, form: FormData) -> Response:
    """Makes a project of the same data, options and config, whose model is then changed."""
    project = _project(request, studio)
    try:
        made = await run_in_threadpool(copy_project, project, text_field(form, "name"))
    except OdtkError as error:
        return await _page(studio, project, problem=str(error))
    return redirect(request, f"/projects/{made.name}/model")


def _project(request: Request, studio: Studio) -> Project:
    return project_called(studio.workspace, request.path_params["name"])


def _back(request: Request, project: Project) -> Response:
    return redirect(request, f"/projects/{project.name}/training")


async def _page(
    studio: Studio,
    project: Project,
    *,
    blocked: Sequence[Mapping[str, Any]] = (),
    problem: str = "",
    told: Sequence[str] = (),
    options_open: bool = False,
) -> Response:
    view = await run_in_threadpool(look, project, studio.jobs, store_of(studio))
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
        "steps": _planned_steps(project),
        "has_checkpoint": bool(checkpoint_steps(project.run)),
        "fields": option_fields(chosen),
        "others": other_options(chosen),
        "copy_name": _free_name(project),
    }
    return studio.page(
        "training.html", f"Training of {project.name}", section="Training", project=project, commands=commands,
        blocked=blocked, problem=problem, told=told, options_open=options_open, **context,
    )  # fmt: skip


def _planned_steps(project: Project) -> int | None:
    """The last step of a training that is started now: the project file's option goes before the config."""
    with contextlib.suppress(OdtkError):
        if steps := training_options(project).get("num-steps"):
            return steps
    facts = facts_of_file(project.config)
    return facts.num_steps if facts else None


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


def _free_name(project: Project) -> str:
    stem, _, number = project.name.rpartition("-")
    stem, first = (stem, int(number) + 1) if stem and number.isdecimal() else (project.name, 2)
    folders = (project.workspace.projects, project.workspace.runs, project.workspace.exports)
    names = (f"{stem}-{each}" for each in itertools.count(first))
    return next(name for name in names if not any((folder / name).exists() for folder in folders))


def _pieces(studio: Studio, project: Project) -> dict[str, str]:
    """Name of an event to the piece of the page; in a thread."""
    store = store_of(studio)
    view = look(project, studio.jobs, store)

    def piece(name: str) -> str:
        return studio.html(
            "training_piece.html", name=name, view=view, project=project, has_config=project.config.exists(),
            has_checkpoint=bool(checkpoint_steps(project.run)),
        )  # fmt: skip

    drawn = store.pieces(view.drawn, lambda: {name: piece(name) for name in ("charts", "values")})
    changing = ("state", "status", "actions", "pictures", "batches", "sessions")
    return {**{name: piece(name) for name in changing}, "log": studio.html("log.html", log=view.log or ""), **drawn}


async def _start(studio: Studio, project: Project) -> list[dict[str, Any]]:
    """Adds the job, unless the check finds errors: these are returned."""
    train = training_command(project)
    view = await run_in_threadpool(look, project, studio.jobs, store_of(studio))
    if not view.state.can_start:
        raise OdtkError(f"{project.name} is trained already, or waits in the queue. {view.state.text}")
    errors = await _errors(studio, project)
    if not errors:
        await run_in_threadpool(studio.jobs.add, train, job_name(project))
    return errors


async def _errors(studio: Studio, project: Project) -> list[dict[str, Any]]:
    """What would end a training before its first step."""
    checked = await studio.commands.run(command(*check_command(project).words, "--json"))
    if not isinstance(checked.document, dict):
        raise OdtkError(checked.error or "The check of the config said nothing.")
    found = await run_in_threadpool(findings_before_training, project, checked.document["findings"])
    return [finding for finding in found if finding["severity"] == "error"]


def _cancel(studio: Studio, names: Sequence[str]) -> None:
    """Ends or takes out the jobs of these names, or whose names begin so if that ends with a slash."""
    for job in studio.jobs.all():
        name = job.name or ""
        if job.state not in ENDED and any(
            name == each or (each.endswith("/") and name.startswith(each)) for each in names
        ):
            studio.jobs.cancel(job.number)


async def _change(request: Request, studio: Studio, project: Project, rate_text: str, steps_text: str) -> Response:
    before = facts_of_file(project.config)
    if before is None:
        raise OdtkError(f"{project.name} has no config that could be changed. Choose a model first.")
    view = await run_in_threadpool(look, project, studio.jobs, store_of(studio))
    rate = _number(rate_text, "The learning rate") if rate_text else None
    steps = _whole(steps_text, "The number of steps") if steps_text else None
    step = view.figures.step or 0
    rate = None if rate == before.rate else rate
    steps = None if steps == _planned_steps(project) else steps
    if steps is not None and steps <= step:
        raise OdtkError(f"The run is at step {step:,} already. Choose more steps than that.")
    if rate is None and steps is None:
        raise OdtkError("Nothing was changed: both are what the config has. Change one of the two.")
    return await _edit_and_go_on(request, studio, project, rate, steps, view)


async def _edit_and_go_on(
    request: Request, studio: Studio, project: Project, rate: float | None, steps: int | None, view: TrainingView
) -> Response:
    """A training that runs has read its config already, so that is edited at once; a new job waits for its end."""
    before, planned = facts_of_file(project.config), _planned_steps(project)
    text = project.config.read_text(encoding="utf-8")
    assert before is not None
    edited = await studio.commands.run(change_command(project, rate, steps))
    blocked = [] if edited.error is not None else await _errors(studio, project)
    if blocked or edited.error is not None:
        write_text(project.config, text)
        problem = edited.error or "Nothing was changed: with it, the config would have these errors."
        return await _page(studio, project, blocked=blocked, problem=problem)
    was: dict[str, float | None] = {"at": view.figures.step or 0}
    if rate is not None and before.rate is not None:
        was["rate"] = before.rate
    if steps is not None:
        was |= {"steps": planned, "schedule": before.num_steps}
        # The option would hide the config's number.
        project.update(SECTION, {"num-steps": None, "extend-schedule": None})
    await run_in_threadpool(_go_on, studio, project)
    return redirect(request, f"/projects/{project.name}/training?{urlencode(was)}")


def _go_on(studio: Studio, project: Project) -> None:
    """Has the run go on with the config as it is now: a job that waits takes it, one that runs is paused for a new one.

    The new one waits until the other has ended, as both need the same devices.
    """
    jobs = [job for job in studio.jobs.all() if job.name == job_name(project) and job.state not in ENDED]
    if any(job.state == WAITING for job in jobs):
        return
    for job in jobs:
        if not job.is_cancelling:
            studio.jobs.cancel(job.number)
    studio.jobs.add(training_command(project), job_name(project))


def _told(request: Request, project: Project) -> list[str]:
    """What a change that was just made means; the address has numbers only."""
    facts, asked = facts_of_file(project.config), request.query_params
    if facts is None or "at" not in asked:
        return []
    with contextlib.suppress(OdtkError, ValueError):
        rate = _number(asked["rate"], "rate") if "rate" in asked else None
        steps = _whole(asked["steps"], "steps") if "steps" in asked else None
        before = dataclasses.replace(facts, rate=rate, num_steps=int(asked.get("schedule", 0)))
        return explain_change(before, steps, rate and facts.rate, steps and facts.num_steps, int(asked["at"]))
    return []


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise OdtkError(f"{what} is {text!r}; it is a number above 0, such as 0.01.")
    return value


def _whole(text: str, what: str) -> int:
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not int(plain):
        raise OdtkError(f"{what} is {text!r}; it is a whole number from 1 on.")
    return int(plain)
