"""The first page: projects and jobs, and the style that the pages share with the commands' reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

import odtk.report
from odtk.web.commands import command, shell_line
from odtk.web.job_lines import job_lines
from odtk.web.model_views.stages import line_of
from odtk.web.projects import all_projects
from odtk.web.routing import Pages
from odtk.web.studio import Studio

pages = Pages()

_JOBS_SHOWN = 8


@pages.get("/")
def overview(request: Request, studio: Studio) -> Response:
    """What there is."""
    found = _found(studio)
    shown = [shell_line("ls", studio.workspace.projects.name)] if found["projects"] else []
    listing = command("queue", "list", "--queue", studio.workspace.queue_file.name)
    return studio.page("overview.html", "Overview", commands=[*shown, listing], **found)


def _found(studio: Studio) -> dict[str, Any]:
    projects = [{"project": each, "line": line_of(each)} for each in all_projects(studio.workspace)]
    return {"projects": projects, "jobs": job_lines(studio.jobs.all())[:_JOBS_SHOWN]}


@pages.get("/report.css")
def report_style(request: Request, studio: Studio) -> Response:
    """The style of the reports, which is that of the pages, too."""
    return FileResponse(Path(odtk.report.__file__).with_name("page.css"), media_type="text/css")
