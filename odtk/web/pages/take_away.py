"""Take away: weights, exports with their certificates, the training script, the config and the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from odtk.errors import OdtkError
from odtk.queue import JobRecord
from odtk.web.commands import Command, command
from odtk.web.job_lines import error_of, job_line
from odtk.web.live import watch
from odtk.web.projects import Project
from odtk.web.result_views import take_away
from odtk.web.result_views.run_files import has_model, require_model
from odtk.web.result_views.zip_stream import files_below, opened, zip_stream
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.run_views.training_command import paths_of, training_command
from odtk.web.studio import Studio
from odtk.web.workspace import valid_name

pages = Pages()


@pages.get("/projects/{name}/take-away")
def overview(request: Request, studio: Studio) -> Response:
    """All that can be downloaded or made."""
    project = project_of(request, studio)
    found = _overview(studio, project)
    return studio.page("take_away.html", "Take away", section="Take away", project=project, **found)


def _overview(studio: Studio, project: Project) -> dict[str, Any]:
    return {
        "has_model": has_model(project), "weights": take_away.weights(project), "formats": take_away.formats(),
        "files": take_away.run_files(project), "commands": _commands(studio, project), **_made(studio, project),
    }  # fmt: skip


@pages.get("/projects/{name}/take-away/live")
def live(request: Request, studio: Studio) -> Response:
    """The exports, as they are made."""
    project = project_of(request, studio)

    def pieces() -> dict[str, str]:
        found = {"project": project, **_made(studio, project)}
        return {"jobs": studio.html("export_jobs.html", **found), "exports": studio.html("exports.html", **found)}

    return watch(request, studio.closing, pieces)


@pages.post("/projects/{name}/take-away/export")
async def export(request: Request, studio: Studio, form: FormData) -> Response:
    """Puts an export into the queue."""
    project = await run_in_threadpool(project_of, request, studio)
    fields = ("format", "checkpoint", "quantize", "precision")
    wanted = take_away.WantedExport(**{name: text_field(form, name) for name in fields})
    name = f"{_job_prefix(project)}{wanted.name}"
    async with studio.job_lock(name):
        await run_in_threadpool(_add, studio, project, wanted, name)
    return redirect(request, f"/projects/{project.name}/take-away#exports")


def _add(studio: Studio, project: Project, wanted: take_away.WantedExport, name: str) -> None:
    """Adds the job, unless it runs or waits."""
    require_model(project)
    if not studio.jobs.is_active(name):
        project.update("export", wanted.keys)
        studio.jobs.add(wanted.command(project), name)


@pages.get("/projects/{name}/take-away/weights/{kind}.zip")
def weights(request: Request, studio: Studio) -> Response:
    """A checkpoint with its config and label map."""
    project = project_of(request, studio)
    kind = request.path_params["kind"]
    if not any(each.kind == kind for each in take_away.weights(project)):
        raise HTTPException(404, f"{project.name} has no {kind!r} checkpoint.")
    return _zipped(f"{project.name}-{kind}.zip", opened(lambda: take_away.weights_files(project, kind)))


@pages.get("/projects/{name}/take-away/exports/{export}.zip")
def exported(request: Request, studio: Studio) -> Response:
    """The folder of an export."""
    project = project_of(request, studio)
    folder = project.exports / valid_name(request.path_params["export"], "An export")
    if not folder.is_dir():
        raise HTTPException(404, f"There is no {studio.workspace.shown(folder)}.")
    name = f"{project.name}-{folder.name}"
    return _zipped(f"{name}.zip", opened(lambda: files_below(folder, name)))


def _zipped(name: str, files: Iterable[tuple[str, BinaryIO]]) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)


def _made(studio: Studio, project: Project) -> dict[str, Any]:
    """What was exported, and the jobs that are not done."""
    jobs = [job for job in _jobs(studio, project) if job.state != "done"]
    errors = {job.number: error for job in jobs if (error := error_of(studio.jobs, job))}
    return {"exports": take_away.exports(project), "jobs": [job_line(job) for job in jobs], "errors": errors}


def _jobs(studio: Studio, project: Project) -> list[JobRecord]:
    """The last job of each export."""
    return studio.jobs.last_of_each(_job_prefix(project))


def _job_prefix(project: Project) -> str:
    return f"export:{project.name}/"


def _commands(studio: Studio, project: Project) -> list[Command]:
    """What makes the weights and the exports: those that were made or asked for, else the first format."""
    exports = [Command(job.command) for job in _jobs(studio, project)]
    return [_train(project), *(exports or [take_away.WantedExport("saved_model").command(project)])]


def _train(project: Project) -> Command:
    try:
        return training_command(project)
    except OdtkError:  # for an option that it does not take, which the page of the training says
        return command("train", *paths_of(project))
