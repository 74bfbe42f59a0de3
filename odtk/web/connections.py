"""Connections of the server: one that asks for nothing is closed, so that they cannot be used up."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

AT_ONCE = 256
"""Connections, of which each tab has one for its events and a few more for a moment; further ones get a 503."""

HEAD_SECONDS = 20.0
"""In which the head of a request has to come."""


class Connection(H11Protocol):
    """A connection that is closed if it is opened and no whole head of a request comes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops it."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Starts it again for the next request."""
        self._deadline.cancel()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._close_idle)
        super().on_response_complete()

    def _close_idle(self) -> None:
        is_answered: Any = self.cycle is None or self.cycle.response_complete
        if is_answered and not self.transport.is_closing():
            self.transport.close()
