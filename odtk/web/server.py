"""The studio's server: listens on a port until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import html
import ipaddress
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from odtk.atomic import atomic_file, write_text
from odtk.errors import OdtkError, OutputError
from odtk.folder_lock import locked_folder
from odtk.system_errors import reason_of
from odtk.web.other_users import others_here, without_token_note
from odtk.web.security import is_root
from odtk.web.workspace import Workspace

if TYPE_CHECKING:
    import uvicorn

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={address}">
<title>odtk studio</title>
<p>The studio is <a href="{address}">here</a>.</p>
"""

HOST, PORT = "127.0.0.1", 8765
# A proxy may take its path away or not, which could not be told of a path that begins like these.
_OWN_PATHS = ("compare", "data", "files", "jobs", "projects", "static")


@dataclass(frozen=True)
class Listening:
    """A socket that is bound, and the address to open; `token` is in it."""

    socket: socket.socket
    address: str
    token: str | None
    is_token_in_path: bool = False
    root: str = ""


def listen(
    host: str = HOST, port: int = PORT, token: bool | str = False, *, is_token_in_path: bool = False, root: str = ""
) -> Listening:
    """Binds a port (0: any free one). `token` True makes one; a text is one.

    `root` is the path at which a proxy shows the studio, with {port} for the port. Raises OdtkError for an address
    beyond this machine or a root without a token, for a port that cannot be had, and for a root that is no path or
    begins like one of the studio's own.
    """
    root = _checked_root(root)
    if root and not token:
        raise OdtkError(
            "A proxy shows the studio to all who reach the proxy, and may call itself this machine. Use a token.",
            argument="token",
        )
    family, place = _place(host, port)
    address = ipaddress.ip_address(place[0])
    if not address.is_loopback and not token:
        raise OdtkError(
            f"On {host or 'all addresses'} everyone on the network could read and change what is in the studio's "
            "folders, and run trainings. Use a token, or leave the host out and reach this machine through ssh -L.",
            argument="token",
        )
    try:
        bound = socket.create_server(place, family=family, backlog=128)
    except OSError as error:
        raise _refused(host, port, error) from error
    made = secrets.token_urlsafe(24) if token is True else token or None
    name = socket.gethostname() if address.is_unspecified else f"[{address}]" if ":" in host else host
    number = bound.getsockname()[1]
    root = root.replace("{port}", str(number))
    shown = f"http://{name}:{number}{root}/"
    if made:
        shown += f"{made}/" if is_token_in_path else f"?token={made}"
    return Listening(bound, shown, made, is_token_in_path, root)


def _checked_root(root: str) -> str:
    found = root.rstrip("/")
    if found and (not is_root(found.replace("{port}", "1")) or found.split("/")[1] in _OWN_PATHS):
        raise OdtkError(
            f"{root!r} is no path at which a proxy could show the studio. Name one such as /studio or "
            "/user/ada/proxy/8765, quoted as in an address.",
            argument="root_path",
        )
    return found


def _place(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The address behind a name, IPv4 first."""
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OdtkError(
            f"{host} is no address of this machine: its name is not known. Use 127.0.0.1, or one that `hostname -I` "
            "shows.",
            argument="host",
        ) from error
    family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, (str(place[0]).partition("%")[0], port)


def _refused(host: str, port: int, error: OSError) -> OdtkError:
    if error.errno == errno.EADDRINUSE:
        text = f"Port {port} is in use, perhaps by another studio. Stop that, or choose another port (0: any free one)."
        return OdtkError(text, argument="port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return OdtkError(f"Ports below 1024 need special rights, as {port} does. Choose a higher one.", argument="port")
    if error.errno == errno.EADDRNOTAVAIL:
        return OdtkError(
            f"{host} is no address of this machine. Use 127.0.0.1, or one that `hostname -I` shows.", argument="host"
        )
    return OdtkError(f"{host}:{port} cannot be listened on: {reason_of(error)}.", argument="port")


def run(
    workspace: Workspace,
    *,
    host: str = HOST,
    port: int = PORT,
    token: bool = False,
    is_token_in_path: bool = False,
    root: str = "",
    ancestors: str = "'self'",
    on_start: Callable[[Listening], None] = lambda listening: None,
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Serves a workspace until SIGINT, SIGTERM or SIGHUP, and then returns; `on_start` is called when it answers.

    Raises OdtkError if another studio serves it, as what runs in the background is known to one alone, and as `listen`.
    """
    with only_one(workspace, log) as announce:
        listening = listen(host, port, token, is_token_in_path=is_token_in_path, root=root)
        announce(listening)
        if listening.token is None and (note := without_token_note(others_here())):
            log(note)
        server = build_server(workspace, listening, ancestors=ancestors, on_start=lambda: on_start(listening))
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, server.handle_exit)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended
            asyncio.run(server.serve(sockets=[listening.socket]))


@contextlib.contextmanager
def only_one(workspace: Workspace, log: Callable[[str], None]) -> Iterator[Callable[[Listening], None]]:
    """Holds a workspace against other studios; what is yielded tells them where this one is."""
    note = workspace.hidden / "address"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(workspace.hidden, log))
        except OutputError as error:
            raise OdtkError(
                f"A studio of {workspace.folder} runs already{_where(note)}. Open that one, stop it, or choose another "
                "folder.",
                argument="folder",
            ) from error
        for path in (note, _opening_page(workspace)):
            stack.callback(path.unlink, missing_ok=True)
        yield lambda listening: write_text(note, listening.address.partition("?")[0])


def address_for_browser(workspace: Workspace, listening: Listening) -> str:
    """What is given to a browser that is started: the studio's address, or with a token a page that leads there.

    The command line of a browser is seen by all users of the machine; the page, a file, by its owner alone.
    """
    if listening.token is None:
        return listening.address
    path = _opening_page(workspace)
    path.unlink(missing_ok=True)  # whose rights would be kept
    with atomic_file(path) as part:
        part.touch(mode=0o600)
        part.chmod(0o600)
        part.write_text(_PAGE.format(address=html.escape(listening.address)), encoding="utf-8")
    return path.as_uri()


def _opening_page(workspace: Workspace) -> Path:
    return workspace.hidden / "open.html"


def _where(note: Path) -> str:
    try:
        return f", at {note.read_text(encoding='utf-8')}"
    except OSError:
        return ""


def build_server(
    workspace: Workspace,
    listening: Listening,
    *,
    ancestors: str = "'self'",
    on_start: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    """The uvicorn server of a workspace, not started yet."""
    import uvicorn

    from odtk.web.app import create_app
    from odtk.web.connections import AT_ONCE, Connection

    app = create_app(
        workspace, listening.token, ancestors, is_token_in_path=listening.is_token_in_path, root=listening.root
    )
    config = uvicorn.Config(
        app, http=Connection, ws="none", loop="asyncio", lifespan="on", log_level="error", access_log=False,
        server_header=False, timeout_graceful_shutdown=3, limit_concurrency=AT_ONCE,
    )  # fmt: skip

    class Server(uvicorn.Server):
        """Says when it has started, and tells the pages that wait before it waits for them."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.studio.closing.set()
            await super().shutdown(sockets)

    return Server(config)
