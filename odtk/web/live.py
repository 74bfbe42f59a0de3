"""Pages that change by themselves: server-sent events with pieces of HTML, sent when they differ from the last ones."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from odtk.web.closing import Closing

_HEARTBEAT = 15.0  # seconds, so that proxies keep the connection and a browser's absence is noticed


def watch(
    request: Request, closing: Closing, pieces: Callable[[], Mapping[str, str]], seconds: float = 1.0
) -> Response:
    """Sends `pieces()`, name of an event to HTML, in a thread every `seconds`; only those that changed are sent.

    In a page: `<div hx-ext="sse" sse-connect="..."><div sse-swap="status">`. It ends when the browser leaves, the
    studio closes, or an event "end" was sent (`sse-close="end"`).
    """

    async def events() -> AsyncIterator[str]:
        sent: dict[str, str] = {}
        last = time.monotonic()
        while not closing.is_set() and not await request.is_disconnected():
            for name, html in (await run_in_threadpool(pieces)).items():
                if sent.get(name) != html:
                    sent[name], last = html, time.monotonic()
                    yield event(name, html)
            if "end" in sent:
                return
            if time.monotonic() - last > _HEARTBEAT:
                last = time.monotonic()
                yield ": \n\n"
            await closing.wait(seconds)

    headers = {"x-accel-buffering": "no"}
    if request.method == "HEAD":
        return Response(headers=headers, media_type="text/event-stream")
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def event(name: str, html: str) -> str:
    """One event, as the protocol writes it: a `data:` for each line."""
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in html.splitlines() or [""]) + "\n"
