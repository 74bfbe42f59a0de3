"""A web server of this process that answers as real ones do: with ranges, redirects, errors, cut and stalled bodies."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from patience import SECONDS


class FileServer:
    """`files` by path; `plans` says what happens to the next requests of a path, in order, before it is served well."""

    def __init__(self, address: str):
        self.address = address
        self.files: dict[str, bytes] = {}
        self.plans: dict[str, list[Callable]] = defaultdict(list)
        self.requests: list[tuple[str, str | None]] = []
        """Path and Range of each request."""
        self.has_ranges, self.has_versions = True, True
        self.released = threading.Event()

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def etag(self, path: str) -> str:
        return f'"{hashlib.sha256(self.files[path]).hexdigest()[:12]}"'


def status(code: int, **headers: str) -> Callable:
    """Answers with an error."""

    def answer(handler, server, path):
        body = b"<html>no</html>"
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(address: str, code: int = 302) -> Callable:
    """Answers that the file is elsewhere."""
    return status(code, Location=address)


def cut(count: int) -> Callable:
    """Promises the file, or the range that was asked for, and ends after `count` bytes of it."""

    def answer(handler, server, path):
        _serve(handler, server, path, count)
        handler.close_connection = True

    return answer


def stall(count: int) -> Callable:
    """Sends `count` bytes, then nothing until the test ends."""

    def answer(handler, server, path):
        _serve(handler, server, path, count)
        handler.wfile.flush()
        server.released.wait(SECONDS)
        handler.close_connection = True

    return answer


def trickle(pause: float, blocks: int) -> Callable:
    """Sends a byte after each pause."""

    def answer(handler, server, path):
        _serve(handler, server, path, 0)
        for _ in range(blocks):
            if server.released.wait(pause):
                break
            handler.wfile.write(server.files[path][:1])
            handler.wfile.flush()
        handler.close_connection = True

    return answer


def page(handler, server, path):
    """Answers 200 with a page, as hotels do."""
    body = b"<!DOCTYPE html><html>Please log in</html>"
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _serve(handler, server: FileServer, path: str, limit: int | None = None) -> None:
    content, start = server.files[path], _start(handler, server, path)
    if start and start >= len(content):
        status(416, Content_Range=f"bytes */{len(content)}")(handler, server, path)
        return
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(content) - start))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if server.has_versions:
        handler.send_header("ETag", server.etag(path))
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(content[start:] if limit is None else content[start : start + limit])


def _start(handler, server: FileServer, path: str) -> int:
    asked, version = handler.headers.get("Range"), handler.headers.get("If-Range")
    if not asked or not server.has_ranges or (version and version != server.etag(path)):
        return 0
    return int(asked.removeprefix("bytes=").removesuffix("-"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server.served
        path = self.path.lstrip("/")
        server.requests.append((path, self.headers.get("Range")))
        if server.plans[path]:
            server.plans[path].pop(0)(self, server, path)
        elif path in server.files:
            _serve(self, server, path)
        else:
            status(404)(self, server, path)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    """A server on a free port of this machine."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    http.served = FileServer(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield http.served
    finally:
        http.served.released.set()
        http.shutdown()
        http.server_close()
