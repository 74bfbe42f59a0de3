"""A file as an answer: the one that was asked for, as long as it was then, whatever happens in its folder meanwhile."""

from __future__ import annotations

import email.utils
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def open_regular(path: Path) -> BinaryIO:
    """Opens a real path, without links. Raises 404 for what is no file: a folder, a device, a pipe, and 403 without
    permission.

    A path that `Workspace.inside` has checked may be another one now, if someone put a link into it. So what was opened
    is compared with what is there without links.
    """
    try:
        # Without O_NONBLOCK a pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise HTTPException(403, f"There is no permission to read {path.name}.") from error
    except (OSError, ValueError) as error:
        raise _no_file(path) from error
    opened = os.fstat(descriptor)
    if not stat.S_ISREG(opened.st_mode) or not _is_still(path, opened):
        os.close(descriptor)
        raise _no_file(path)
    return os.fdopen(descriptor, "rb")


def _is_still(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.realpath(path) == os.fspath(path) and os.path.samestat(os.lstat(path), opened)
    except OSError:
        return False


def _no_file(path: Path) -> HTTPException:
    return HTTPException(404, f"There is no file {path.name}.")


class FileAnswer(Response):
    """An open file; one range of it, as players of videos ask for, and nothing if the browser has it already."""

    def __init__(self, file: BinaryIO, media_type: str, headers: dict[str, str], download: str | None = None):
        found = os.fstat(file.fileno())
        self._file, self._size = file, found.st_size
        self.status_code, self.media_type, self.background = 200, media_type, None
        tags = {
            "accept-ranges": "bytes",
            "etag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"',
            "last-modified": email.utils.formatdate(found.st_mtime, usegmt=True),
        }
        self.init_headers({**headers, **tags, **({"content-disposition": _attachment(download)} if download else {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            start, end = self._choose(Headers(scope=scope))
            if self.status_code != 304:
                self.headers["content-length"] = str(end - start)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._send_bytes(start, end, Request(scope, receive), send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._file.close()

    def _choose(self, asked: Headers) -> tuple[int, int]:
        """The first byte to send and the one behind the last; sets the status and what it needs."""
        if asked.get("if-none-match") == self.headers["etag"]:
            self.status_code = 304
            return 0, 0
        found = _RANGE.fullmatch(asked.get("range", ""))
        if not found or not any(found.groups()) or asked.get("if-range", self.headers["etag"]) != self.headers["etag"]:
            return 0, self._size
        first, last = found.groups()
        start = int(first) if first else max(self._size - int(last), 0)
        end = min(int(last) + 1, self._size) if first and last else self._size
        self.status_code = 206 if start < end else 416
        self.headers["content-range"] = (
            f"bytes {start}-{end - 1}/{self._size}" if start < end else f"bytes */{self._size}"
        )
        return (start, end) if start < end else (0, 0)

    async def _send_bytes(self, start: int, end: int, request: Request, send: Send) -> None:
        self._file.seek(start)
        while start < end and not await request.is_disconnected():
            data = await run_in_threadpool(self._file.read, min(_CHUNK, end - start))
            if not data:  # the connection is closed, so that the browser notices
                raise OSError("The file became shorter while it was sent.")
            start += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})


def _attachment(name: str) -> str:
    # Names need not be UTF-8.
    return f"attachment; filename*=utf-8''{quote(os.fsencode(name))}"
