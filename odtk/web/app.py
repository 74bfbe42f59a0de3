"""The studio as an ASGI application: its pages, what is checked before them, and how errors look."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from odtk.errors import OdtkError
from odtk.web.security import Guard
from odtk.web.studio import Studio
from odtk.web.workspace import OutsideError, Workspace

_HERE = Path(__file__).parent
# In the order of the journey, which is that of the navigation.
_MODULES = ("overview", "data", "projects", "model", "model_text", "training", "results", "take_away", "jobs", "files")


def create_app(workspace: Workspace, token: str | None = None, ancestors: str = "'self'") -> Starlette:
    """The application over a workspace; see `security.Guard` for `token` and `ancestors`."""
    studio = Studio(workspace)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        studio.closing.set()
        await studio.background.close()

    app = Starlette(
        routes=[*_routes(), Mount("/static", StaticFiles(directory=_HERE / "static"))],
        middleware=[Middleware(Guard, token=token, ancestors=ancestors)],
        exception_handlers={OdtkError: _odtk_error, HTTPException: _http_error, Exception: _bug},
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


def _routes() -> list[Route]:
    modules = [importlib.import_module(f"odtk.web.pages.{name}") for name in _MODULES]
    return [route for module in modules for route in module.pages.routes]


def _odtk_error(request: Request, error: Exception) -> Response:
    return _problem(request, 404 if isinstance(error, OutsideError) else 400, str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = "There is no such page." if error.status_code == 404 and error.detail == "Not Found" else error.detail
    return _problem(request, error.status_code, text)


def _bug(request: Request, error: Exception) -> Response:
    return _problem(
        request, 500, f"Unexpected {type(error).__name__}: {error}. This is a bug in odtk: please report it."
    )


def _problem(request: Request, status: int, text: str) -> Response:
    """The error as a page, or for htmx as the piece that stands where the answer would."""
    studio: Studio = request.app.state.studio
    if request.headers.get("hx-request") == "true":
        return studio.piece("problem_piece.html", status, text=text)
    return studio.page("problem.html", "That did not work", status=status, text=text)
