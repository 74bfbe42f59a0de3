"""What the studio's pages share: the workspace, what runs commands, and how a page is rendered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from odtk.web.background import Background
from odtk.web.closing import Closing
from odtk.web.commands import Command, Commands, as_lines, shell_line
from odtk.web.jobs import Jobs
from odtk.web.live_models import LiveModels
from odtk.web.projects import Project
from odtk.web.received_forms import ReceivedForms
from odtk.web.security import csrf_token
from odtk.web.words import FILTERS
from odtk.web.workspace import Workspace

_TEMPLATES = Path(__file__).with_name("templates")

# Attributes that hold an address which begins with one slash; in what comes from data, quotation marks are escaped.
_ADDRESS = re.compile(
    r"""\s(?:href|src|poster|action|formaction|sse-connect|hx-(?:get|post|put|patch|delete|push-url|replace-url)"""
    r"""|data-(?:[\w-]+-)?(?:address|url|src))=["'](?=/)"""
)


class Studio:
    """What the pages share: the workspace, what runs commands, and how a page is rendered."""

    def __init__(self, workspace: Workspace, prefix: str = ""):
        self.workspace, self._prefix = workspace, prefix
        self.csrf = csrf_token(workspace.secret())
        self.commands = Commands(workspace.folder)
        # With turns of its own: what takes minutes must not hold up what a request waits for.
        self.background = Background(workspace.hidden / "commands", Commands(workspace.folder))
        self.jobs = Jobs(workspace)
        self.models = LiveModels(workspace.folder, workspace.hidden / "commands")
        self.closing = Closing()
        self._locks: dict[str, asyncio.Lock] = {}
        self.forms = ReceivedForms(workspace.hidden / "uploads")
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )  # fmt: skip
        self._templates.filters.update(FILTERS)
        self._templates.globals.update(csrf=self.csrf, workspace=workspace)

    def config_lock(self, project: str) -> asyncio.Lock:
        """Held while a project's config is changed: tabs wait for one another."""
        return self._lock(f"config:{project}")

    def job_lock(self, name: str) -> asyncio.Lock:
        """Held from the look at the jobs of a name until one is added: two clicks add one job."""
        return self._lock(f"job:{name}")

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def page(
        self, template: str, title: str, *, commands: Sequence[Command | str] = (), status: int = 200, **context: Any
    ) -> Response:
        """A whole page; `commands` are those that it ran, which stand at its foot, or else where to look."""
        values = {"section": "", "project": None, **context, "title": title, "ran": bool(commands)}
        values["commands"] = as_lines(commands) or [self._look_at(values["project"])]
        return HTMLResponse(self.html(template, **values), status_code=status)

    def _look_at(self, project: Project | None) -> str:
        return shell_line("ls", self.workspace.shown(project.folder) if project else ".")

    def piece(self, template: str, status: int = 200, **context: Any) -> Response:
        """A piece of a page, which htmx puts in its place."""
        return HTMLResponse(self.html(template, **context), status_code=status)

    def html(self, template: str, **context: Any) -> str:
        """A template's text; whatever comes from data is escaped. All addresses in it get the studio's prefix."""
        text = self._templates.get_template(template).render(context)
        text = text.encode("utf-8", "replace").decode()  # names of files may be no UTF-8
        return _ADDRESS.sub(rf"\g<0>{self._prefix}", text) if self._prefix else text
