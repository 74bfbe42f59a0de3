"""The first page: projects and jobs, and the style that the pages share with the commands' reports."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

import odtk.report
from odtk.web.job_lines import job_lines
from odtk.web.projects import Project, all_projects
from odtk.web.routing import Pages
from odtk.web.studio import Studio

pages = Pages()

_JOBS_SHOWN = 8


@pages.get("/")
async def overview(request: Request, studio: Studio) -> Response:
    """What there is."""
    projects = [{"project": each, "line": _state(each)} for each in all_projects(studio.workspace)]
    jobs = job_lines(studio.jobs.all())[:_JOBS_SHOWN]
    return studio.page("overview.html", "Overview", projects=projects, jobs=jobs)


def _state(project: Project) -> str:
    """How far a project is, by what is there."""
    if (project.run / "eval").exists():
        return "trained and evaluated"
    if project.run.exists():
        return "has a training"
    return "has a config" if project.config.exists() else "has data"


@pages.get("/report.css")
async def report_style(request: Request, studio: Studio) -> Response:
    """The style of the reports, which is that of the pages, too."""
    return FileResponse(Path(odtk.report.__file__).with_name("page.css"), media_type="text/css")
