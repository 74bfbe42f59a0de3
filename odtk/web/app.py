"""The studio as an ASGI application: its pages, what is checked before them, and how errors look."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from odtk.errors import OdtkError
from odtk.system_errors import FULL, describe
from odtk.web.projects import NoProjectError
from odtk.web.security import Access, Guard, cookie_name
from odtk.web.studio import Studio
from odtk.web.workspace import OutsideError, Workspace

_HERE = Path(__file__).parent
# In the order of the journey, which is that of the navigation.
_MODULES = (
    "overview", "data", "projects", "model", "model_text", "training", "compare", "results", "try_model", "explain",
    "review", "take_away", "jobs", "files",
)  # fmt: skip


class _Guarded(Starlette):
    """With the Guard around everything, so that it also adds its headers to the page of an unexpected error.

    The modules of the pages are imported in a thread once it runs, which takes longer than all else of the start.
    """

    def __init__(self, access: Access, **options: Any):
        super().__init__(**options)
        self._access = access
        self._loading: asyncio.Future[None] | None = None

    async def load(self) -> None:
        """Returns when the pages are there."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(self._load())
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        try:
            self.router.routes.extend(await run_in_threadpool(_routes))
        except BaseException:
            self._loading = None  # the next request tries again
            raise

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that a request passes."""
        return Guard(super().build_middleware_stack(), self._access)


class _Loading:
    """Waits for the pages, behind the Guard: that their import failed is answered as every error."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            await scope["app"].load()
        await self._app(scope, receive, send)


class _StaticFiles(StaticFiles):
    """Kept by browsers, but asked for again: an update of odtk replaces them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        answer = await super().get_response(path, scope)
        answer.headers.setdefault("cache-control", "no-cache")
        return answer


def create_app(
    workspace: Workspace,
    token: str | None = None,
    ancestors: str = "'self'",
    *,
    is_token_in_path: bool = False,
    root: str = "",
) -> Starlette:
    """The application over a workspace; see `security.Access` for the rest."""
    access = Access(token, is_token_in_path, ancestors, cookie_name(workspace.secret()), root)
    studio = Studio(workspace, access.prefix)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        assert isinstance(app, _Guarded)
        loading = asyncio.create_task(app.load())
        yield
        loading.cancel()
        studio.closing.set()
        await studio.background.close()
        await studio.models.close()

    app = _Guarded(
        access,
        routes=[Mount("/static", _StaticFiles(directory=_HERE / "static"))],
        middleware=[Middleware(_Loading)],
        exception_handlers={OdtkError: _odtk_error, HTTPException: _http_error, OSError: _os_error, Exception: _bug},
        lifespan=lifespan,
    )
    # It would send to an address made of the Host header.
    app.router.redirect_slashes = False
    app.state.studio = studio
    return app


def _routes() -> list[Route]:
    modules = [importlib.import_module(f"odtk.web.pages.{name}") for name in _MODULES]
    return [route for module in modules for route in module.pages.routes]


def _odtk_error(request: Request, error: Exception) -> Response:
    return _problem(request, 404 if isinstance(error, OutsideError | NoProjectError) else 400, str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = "There is no such page." if error.status_code == 404 and error.detail == "Not Found" else error.detail
    return _problem(request, error.status_code, text)


def _os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in FULL:
        raise error
    return _problem(request, 507, describe(error))


def _bug(request: Request, error: Exception) -> Response:
    return _problem(
        request, 500, f"Unexpected {type(error).__name__}: {error}. This is a bug in odtk: please report it."
    )


def _problem(request: Request, status: int, text: str) -> Response:
    """The error as a page, or for htmx as the piece that stands where the answer would."""
    studio: Studio = request.app.state.studio
    if request.headers.get("hx-request") == "true":
        return studio.piece("problem_piece.html", status, text=text)
    is_of_form = request.method == "POST"
    return studio.page("problem.html", "That did not work", status=status, text=text, is_of_form=is_of_form)
