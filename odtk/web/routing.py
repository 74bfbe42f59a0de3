"""What the modules of `pages` are made of: functions with an address, whose requests have been checked before."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message

from odtk.web.projects import Project, project_called
from odtk.web.security import CSRF_FIELD, CSRF_HEADER, is_equal

if TYPE_CHECKING:
    from odtk.web.studio import Studio

MAX_FORM = 1_000_000
"""Bytes of a request that changes something, unless its page says otherwise."""

PATIENCE = 30.0
"""Seconds without a byte of a body after which it is given up."""

_IN_ADDRESS = ":/%#?=@[]!$&'()*+,;"  # as RedirectResponse has it

Getting = Callable[[Request, "Studio"], Response | Awaitable[Response]]
Posting = Callable[[Request, "Studio", FormData], Response | Awaitable[Response]]
Receiving = Callable[[Request, "Studio"], Awaitable[Response]]


class Pages:
    """The pages of one module, for `app`, which calls its functions with the studio.

    A plain function runs in a thread, and may wait for disks and queues; an `async` one has to use a thread for that.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Getting], Getting]:
        """A page or a file, which changes nothing."""

        def add(function: Getting) -> Getting:
            async def answer(request: Request) -> Response:
                return await _called(function, request, request.app.state.studio)

            self.routes.append(Route(path, answer, methods=["GET"]))
            return function

        return add

    def post(self, path: str, max_bytes: int = MAX_FORM) -> Callable[[Posting], Posting]:
        """What changes something: called with the form, whose CSRF token was right, in the field or in the header."""

        def add(function: Posting) -> Posting:
            async def answer(request: Request) -> Response:
                studio = request.app.state.studio
                limited = _limited(request, max_bytes)
                # The header first: then nothing of an upload is read for someone who has no token.
                known = is_equal(request.headers.get(CSRF_HEADER), studio.csrf)
                try:
                    async with studio.forms.read(limited, min(max_bytes, MAX_FORM)) as form:
                        if not known:
                            require_csrf(form.get(CSRF_FIELD), studio.csrf)
                        return await _called(function, limited, studio, form)
                except MultiPartException as error:
                    raise HTTPException(400, f"The form cannot be read: {error.message}") from error

            self.routes.append(Route(path, answer, methods=["POST"]))
            return function

        return add

    def receive(self, path: str, max_bytes: int) -> Callable[[Receiving], Receiving]:
        """What takes the body as it is (`request.stream()`): for scripts, which send the CSRF token as a header."""

        def add(function: Receiving) -> Receiving:
            async def answer(request: Request) -> Response:
                studio = request.app.state.studio
                require_csrf(request.headers.get(CSRF_HEADER), studio.csrf)
                return await function(_limited(request, max_bytes), studio)

            self.routes.append(Route(path, answer, methods=["POST"]))
            return function

        return add


async def _called(function: Callable[..., Any], *given: Any) -> Response:
    if inspect.iscoroutinefunction(function):
        return await function(*given)
    return await run_in_threadpool(function, *given)


def require_csrf(given: object, expected: str) -> None:
    """Raises 403 if a form's CSRF token is not the workspace's."""
    if not isinstance(given, str) or not is_equal(given, expected):
        raise HTTPException(
            403, "This form is not of this studio, or of an earlier one. Reload the page and repeat it."
        )


def _limited(request: Request, max_bytes: int) -> Request:
    """The request, which raises 413 once more than `max_bytes` of its body have come, or are announced."""
    length = request.headers.get("content-length", "")
    too_large = HTTPException(413, f"That is more than the {max_bytes:,} bytes that are taken here.")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        try:
            message = await asyncio.wait_for(request.receive(), PATIENCE)
        except asyncio.TimeoutError as error:
            raise HTTPException(408, f"Nothing more of this came for {PATIENCE:.0f} seconds. Send it again.") from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large
        return message

    return Request(request.scope, receive)


def project_of(request: Request, studio: Studio) -> Project:
    """The project that an address `/projects/{name}/...` names; OdtkError if there is none."""
    return project_called(studio.workspace, request.path_params["name"])


def redirect(request: Request, path: str) -> Response:
    """Sends the browser to another page after a form; htmx, which cannot follow a redirect to a page, by its header.

    `path` is one of the studio, quoted: never an address elsewhere.
    """
    if not re.match(r"/(?![/\\])", path):
        raise ValueError(f"{path!r} is no path of the studio")
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": quote(path, safe=_IN_ADDRESS)})
    return RedirectResponse(path, status_code=303)


def text_field(form: FormData, name: str, default: str = "") -> str:
    """A field's text without white space around it; `default` where it is missing, empty, or a file."""
    found = form.get(name)
    return (found.strip() if isinstance(found, str) else "") or default
