"""Files of the workspace and of the roots: pictures, reports, and everything else as a download."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from odtk.web.file_answer import FileAnswer, open_regular
from odtk.web.routing import Pages
from odtk.web.security import REPORT_POLICY
from odtk.web.studio import Studio

pages = Pages()

# What a browser may show. SVG may hold scripts, so it is none of these.
_SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".txt": "text/plain",
    ".csv": "text/plain",
    ".json": "text/plain",
    ".html": "text/html",
}


@pages.get("/files/{path:path}")
def file(request: Request, studio: Studio) -> Response:
    """One file, below the workspace or a root: `/files/runs/pets/results.png`; `?download` to keep it.

    An absolute path begins with two slashes: `/files//home/ada/pets/cat.jpg`.
    """
    path = studio.workspace.inside(request.path_params["path"])
    opened = open_regular(path)
    kind = _SHOWN.get(path.suffix.lower())
    # Kept by browsers, but asked for again each time: a run replaces its pictures.
    headers = {"cache-control": "no-cache"}
    if kind is None or "download" in request.query_params:
        return FileAnswer(opened, "application/octet-stream", headers, download=path.name)
    if kind == "text/html":
        headers["content-security-policy"] = REPORT_POLICY
    return FileAnswer(opened, kind, headers)
