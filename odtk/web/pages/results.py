"""Results: the evaluation of a project's run, with its report inside."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.web.commands import Command
from odtk.web.job_lines import job_line
from odtk.web.live import watch
from odtk.web.projects import Project, all_projects, project_called
from odtk.web.result_views.evaluation import evaluate_command, read_evaluation
from odtk.web.result_views.run_files import has_model, require_model
from odtk.web.routing import Pages, project_of, redirect, text_field
from odtk.web.studio import Studio

pages = Pages()

_CHECKPOINTS = {"": "the best, else the last", "last": "the last", "all": "all, one after the other"}


@pages.get("/projects/{name}/results")
def results(request: Request, studio: Studio) -> Response:
    """The main numbers, what to do next, and the report."""
    project = project_of(request, studio)
    found = _found(studio, project)
    return studio.page(
        "results.html", "Results", section="Results", project=project, part="Evaluation", checkpoints=_CHECKPOINTS,
        **found,
    )  # fmt: skip


def _found(studio: Studio, project: Project) -> dict[str, Any]:
    """What the page shows of the run, and the evaluation that ran last, or would run."""
    others = [each.name for each in all_projects(studio.workspace) if each.name != project.name and has_model(each)]
    state = _state(studio, project)
    ran = Command(tuple(state["job"].job.command)) if state["job"] else evaluate_command(project)
    return {
        "has_model": has_model(project), "others": others, "commands": [ran], "evaluation": read_evaluation(project),
        **state,
    }  # fmt: skip


@pages.get("/projects/{name}/results/live")
def live(request: Request, studio: Studio) -> Response:
    """The state of the evaluation, and its results when there are new ones."""
    project = project_of(request, studio)

    def pieces() -> dict[str, str]:
        state = studio.html("evaluation_state.html", project=project, **_state(studio, project))
        found = studio.html("evaluation_found.html", project=project, evaluation=read_evaluation(project))
        return {"state": state, "found": found}

    return watch(request, studio.closing, pieces)


@pages.post("/projects/{name}/results/evaluate")
async def evaluate(request: Request, studio: Studio, form: FormData) -> Response:
    """Puts an evaluation into the queue."""
    project = await run_in_threadpool(project_of, request, studio)
    checkpoint, other = text_field(form, "checkpoint"), text_field(form, "compare")
    if checkpoint not in _CHECKPOINTS:
        raise OdtkError(f"There is no checkpoint {checkpoint!r} to choose. Reload the page.")
    async with studio.job_lock(_job_name(project)):
        await run_in_threadpool(_add, studio, project, checkpoint, other)
    return redirect(request, f"/projects/{project.name}/results")


def _add(studio: Studio, project: Project, checkpoint: str, other: str) -> None:
    """Adds the job, unless it runs or waits; `other` is the project to compare with, if any."""
    require_model(project)
    words = evaluate_command(project, checkpoint, project_called(studio.workspace, other) if other else None)
    if not studio.jobs.is_active(_job_name(project)):
        project.update("evaluate", {})
        studio.jobs.add(words, _job_name(project))


def _state(studio: Studio, project: Project) -> dict[str, Any]:
    """The evaluation's job as it stands, and why it failed."""
    job = studio.jobs.last(_job_name(project))
    log = studio.jobs.log(job.number, 3000) if job and job.state in ("failed", "interrupted") else ""
    errors = [line.removeprefix("error: ") for line in log.splitlines() if line.startswith("error: ")]
    return {"job": job_line(job) if job else None, "error": errors[-1] if errors else None}


def _job_name(project: Project) -> str:
    return f"evaluate:{project.name}"
