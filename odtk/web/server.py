"""The studio's server: listens on a port until it is stopped."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from odtk.errors import OdtkError
from odtk.system_errors import describe
from odtk.web.security import is_loopback
from odtk.web.workspace import Workspace

HOST, PORT = "127.0.0.1", 8765

_ANY = ("0.0.0.0", "::", "")


@dataclass(frozen=True)
class Listening:
    """A socket that is bound, and the address to open; `token` is in it."""

    socket: socket.socket
    address: str
    token: str | None


def listen(host: str = HOST, port: int = PORT, token: bool | str = False) -> Listening:
    """Binds a port (0: any free one). `token` True makes one; a text is one.

    Raises OdtkError for an address beyond this machine without a token, and for a port that cannot be had.
    """
    if not is_loopback(host) and not token:
        raise OdtkError(
            f"On {host} everyone on the network could read and change what is in the studio's folders, and run "
            "trainings. Use a token, or leave the host out and reach this machine through ssh -L.",
            argument="token",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = describe(error) if isinstance(error, OSError) else str(error)
        raise OdtkError(
            f"{host}:{port} cannot be listened on: {reason} Choose another port.", argument="port"
        ) from error
    made = secrets.token_urlsafe(24) if token is True else token or None
    name = socket.gethostname() if host in _ANY else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{bound.getsockname()[1]}/"
    return Listening(bound, address + (f"?token={made}" if made else ""), made)


def serve(
    folder: str | os.PathLike,
    listening: Listening,
    *,
    roots: Sequence[str | os.PathLike] = (),
    ancestors: str = "'self'",
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Serves a workspace until SIGINT or SIGTERM; `on_start` is called when pages are answered."""
    server = build_server(folder, listening, roots=roots, ancestors=ancestors, on_start=on_start)
    asyncio.run(server.serve(sockets=[listening.socket]))


def build_server(folder, listening, *, roots=(), ancestors="'self'", on_start=lambda: None):
    """The uvicorn server of a workspace, not started yet."""
    import uvicorn

    from odtk.web.app import create_app

    app = create_app(Workspace(folder, roots), listening.token, ancestors)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3, ws="none"
    )

    class Server(uvicorn.Server):
        """Says when it has started, and tells the pages that wait before it waits for them."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.studio.closing.set()
            await super().shutdown(sockets)

    return Server(config)
