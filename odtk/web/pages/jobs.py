"""The queue's jobs: what runs, waits and ended, with logs; stop, and run again."""

from __future__ import annotations

import contextlib

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from odtk.errors import OdtkError
from odtk.queue import ENDED
from odtk.web.commands import command
from odtk.web.job_lines import job_line, job_lines
from odtk.web.live import watch
from odtk.web.routing import Pages, redirect
from odtk.web.studio import Studio

pages = Pages()

_QUEUE = ("--queue", "queue.db")  # of the workspace, in which the commands run


@pages.get("/jobs")
def all_jobs(request: Request, studio: Studio) -> Response:
    """The table of jobs, which changes by itself."""
    shown = [command("queue", "list", *_QUEUE), command("queue", "start", "--detach", "--until-empty", *_QUEUE)]
    jobs = job_lines(studio.jobs.all())
    return studio.page("jobs.html", "Jobs", section="Jobs", jobs=jobs, commands=shown)


@pages.get("/jobs/live")
def live(request: Request, studio: Studio) -> Response:
    """The table, whenever it changes."""
    return watch(
        request, studio.closing, lambda: {"jobs": studio.html("job_table.html", jobs=job_lines(studio.jobs.all()))}
    )


@pages.get("/jobs/{number:int}")
def one_job(request: Request, studio: Studio) -> Response:
    """One job and the end of its log."""
    number = request.path_params["number"]
    shown, log = (job_line(studio.jobs.find(number)), studio.jobs.log(number))
    verbs = ("show", "logs", "cancel" if shown.is_active else "retry")
    words = [command("queue", verb, number, *_QUEUE) for verb in verbs]
    return studio.page("job.html", f"Job {number}", section="Jobs", shown=shown, log=log, commands=words)


@pages.get("/jobs/{number:int}/live")
def live_log(request: Request, studio: Studio) -> Response:
    """The end of a job's log, whenever it grows."""
    number = request.path_params["number"]

    def pieces() -> dict[str, str]:
        job = studio.jobs.find(number)
        table = studio.html("job_table.html", jobs=[job_line(job)])
        ended = {"end": ""} if job.state in ENDED else {}
        return {"jobs": table, "log": studio.html("log.html", log=studio.jobs.log(number)), **ended}

    return watch(request, studio.closing, pieces)


@pages.post("/jobs/work")
def work(request: Request, studio: Studio, form: FormData) -> Response:
    """Has a worker run what waits, or was cut off."""
    studio.jobs.start_worker()
    return redirect(request, "/jobs")


@pages.post("/jobs/{number:int}/cancel")
def cancel(request: Request, studio: Studio, form: FormData) -> Response:
    """Ends a job; a training saves its checkpoint first."""
    studio.jobs.cancel(request.path_params["number"])
    return redirect(request, "/jobs")


@pages.post("/jobs/{number:int}/retry")
async def retry(request: Request, studio: Studio, form: FormData) -> Response:
    """Runs a job again that has ended, unless another one of its name runs or waits: both write the same files."""
    number = request.path_params["number"]
    name = (await run_in_threadpool(studio.jobs.find, number)).name
    async with studio.job_lock(name) if name else contextlib.nullcontext():
        await run_in_threadpool(_retry, studio, number, name)
    return redirect(request, "/jobs")


def _retry(studio: Studio, number: int, name: str | None) -> None:
    active = studio.jobs.last(name) if name else None
    if active is not None and active.number != number and active.state not in ENDED:
        raise OdtkError(
            f"Job {number} cannot be tried again, as job {active.number} does the same ({name}) and has not ended. "
            "Wait for its end, or stop it first."
        )
    studio.jobs.retry(number)
