"""The jobs of a training: added after a check, ended, and replaced by one that goes on."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool

from odtk.errors import OdtkError
from odtk.queue import ENDED, WAITING
from odtk.web.commands import command
from odtk.web.projects import Project
from odtk.web.run_views.run_store import store_of
from odtk.web.run_views.training_command import check_command, findings_before_training, job_name, training_command
from odtk.web.run_views.training_view import look
from odtk.web.studio import Studio


async def start_training(studio: Studio, project: Project) -> list[dict[str, Any]]:
    """Adds the job, unless the check finds errors: these are returned. OdtkError if the run is trained already."""
    async with studio.job_lock(job_name(project)):
        await _require_startable(studio, project)
        errors = await errors_before_training(studio, project)
        if not errors:
            # The check takes seconds, in which a terminal may have started one.
            await _require_startable(studio, project)
            await run_in_threadpool(_add, studio, project)
    return errors


def _add(studio: Studio, project: Project) -> None:
    studio.jobs.add(training_command(project), job_name(project))


async def _require_startable(studio: Studio, project: Project) -> None:
    view = await run_in_threadpool(look, project, studio.jobs, store_of(studio))
    if not view.state.can_start:
        raise OdtkError(f"{project.name} is trained already, or waits in the queue. {view.state.text}")


async def errors_before_training(studio: Studio, project: Project) -> list[dict[str, Any]]:
    """The findings that would end a training before its first step. OdtkError if the config cannot be read."""
    words = await run_in_threadpool(check_command, project)
    checked = await studio.commands.run(command(*words.words, "--json"))
    if not isinstance(checked.document, dict):
        raise OdtkError(checked.error or "The check of the config said nothing.")
    found = await run_in_threadpool(findings_before_training, project, checked.document["findings"])
    return [finding for finding in found if finding["severity"] == "error"]


def end_training(studio: Studio, project: Project) -> None:
    """Ends the project's training, or takes it out of the queue; in a thread."""
    for job in studio.jobs.all():
        if job.name == job_name(project) and job.state not in ENDED and not job.is_cancelling:
            studio.jobs.cancel(job.number)


def take_out_waiting(studio: Studio, project: Project) -> None:
    """Takes the project's evaluations and exports that wait out of the queue; those that run go on. In a thread."""
    for job in studio.jobs.all():
        name = job.name or ""
        is_meant = name == f"evaluate:{project.name}" or name.startswith(f"export:{project.name}/")
        if is_meant and job.state == WAITING:
            studio.jobs.cancel(job.number)


def go_on(studio: Studio, project: Project) -> None:
    """Has the run go on with the config as it is now, in a thread.

    A job that waits takes it, or is replaced if its options have changed; one that runs is paused, and a new one waits
    until it has ended, as both need the same devices.
    """
    train = training_command(project)
    jobs = [job for job in studio.jobs.all() if job.name == job_name(project) and job.state not in ENDED]
    if any(job.state == WAITING and job.command == train.words for job in jobs):
        return
    for job in jobs:
        if not job.is_cancelling:
            studio.jobs.cancel(job.number)
    studio.jobs.add(train, job_name(project))
