"""Whether the studio is closing, for whatever waits."""

from __future__ import annotations

import asyncio
import contextlib


class Closing:
    """Set once, by the server, before it ends."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """From now on nothing waits."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the studio is closing."""
        return self._event.is_set()

    async def wait(self, seconds: float) -> None:
        """Waits for so long, or until the studio closes."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
