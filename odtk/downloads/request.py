"""One request of a file, or of the rest of it: what the server answers, and whether asking again may help."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be another one in a while."""

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_LONGEST_RETRY_AFTER = 60.0
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class RefusedError(Exception):
    """An address that does not give the file; asking it again does not help."""


class BrokenError(Exception):
    """A transfer that did not get to its end; it may be continued. `wait`: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """A server's answer with a body; `start` is the position of the body's first byte in the file."""

    body: http.client.HTTPResponse
    start: int
    total: int | None
    """The size of the whole file, in bytes, where the server says it."""
    validator: str | None
    """By which the server knows this version of the file again (RFC 9110: a strong ETag, else Last-Modified)."""


class CompleteError(Exception):
    """There is nothing behind the position that was asked for: the file ends there."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows 308, too, which Python 3.10 does not; and from https to nothing but https, unless bytes are checked."""

    def __init__(self, has_checksum: bool):
        self._has_checksum = has_checksum

    def http_error_308(self, req, fp, code, msg, headers):
        return self.http_error_302(req, fp, 307, msg, headers)

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not self._has_checksum and _scheme(req.full_url) == "https" != _scheme(newurl):
            raise RefusedError(f"it sends on to {newurl}, which is not encrypted, and no checksum of the file is known")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def answer(
    address: str, start: int, validator: str | None, timeout: float, has_checksum: bool = False
) -> Iterator[Answer]:
    """The file at `address` from byte `start` on, or from 0 where the server or a new version does not allow that.

    `timeout`: seconds without a byte. `has_checksum`: the caller will know whether the bytes are the right ones; else
    no redirect from https to http is followed. Raises RefusedError, BrokenError or CompleteError; reading the body may
    raise what `broken` understands.
    """
    request = urllib.request.Request(address, headers=_headers(start, validator))
    opener = urllib.request.build_opener(_Redirects(has_checksum))  # with the environment's proxies
    try:
        body = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _of_status(error, start) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise broken(error) from error
    with body:
        yield _understood(body, start)


def _headers(start: int, validator: str | None) -> dict[str, str]:
    # Without this a server may compress an archive again, and ranges would count other bytes.
    headers = {"User-Agent": "odtk", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    return headers


def _understood(body, start: int) -> Answer:
    headers = body.headers
    length = headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    validator = _validator(headers)
    if body.status != 206:
        return Answer(body, 0, size, validator)
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not found or found[1] is None or int(found[1]) != start:
        raise RefusedError(f"it answers another part of the file than was asked for: {headers.get('Content-Range')}")
    total = int(found[3]) if found[3] != "*" else None if size is None else start + size
    return Answer(body, start, total, validator)


def _validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _of_status(error: urllib.error.HTTPError, start: int) -> Exception:
    said = f"{error.code} {error.reason}".strip()
    if error.code == 416 and start:
        found = _RANGE.fullmatch(error.headers.get("Content-Range", "").strip())
        return CompleteError() if found and found[3] == str(start) else RefusedError(said)
    if error.code in _PASSING:
        return BrokenError(f"it answers {said}", _retry_after(error.headers.get("Retry-After")))
    return RefusedError(f"it answers {said}")


def _retry_after(said: str | None) -> float:
    """Seconds of a Retry-After, which is a number or a date; 0 without one."""
    if not said:
        return 0.0
    if said.strip().isdigit():
        return min(float(said), _LONGEST_RETRY_AFTER)
    with contextlib.suppress(ValueError, TypeError):
        seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)
    return 0.0


def broken(error: Exception) -> Exception:
    """What an error of the connection means: BrokenError, or RefusedError where the next attempt would end alike."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RefusedError(f"its certificate is not accepted: {cause.verify_message}")
    if isinstance(reason, str) or isinstance(cause, http.client.InvalidURL):
        return RefusedError(str(reason or cause))
    if isinstance(cause, TimeoutError):
        return BrokenError("it does not answer in time")
    if isinstance(cause, socket.gaierror):
        return BrokenError("its name is not found: is there a connection?")
    if isinstance(cause, http.client.IncompleteRead):
        return BrokenError("the connection ended early")
    if isinstance(cause, (http.client.HTTPException, OSError)):
        return BrokenError(str(cause) or type(cause).__name__)
    return RefusedError(str(cause))


def is_open_to_others(address: str) -> bool:
    """Whether others on the way can change what comes from there: plain http from another machine."""
    host = urllib.parse.urlsplit(address).hostname or ""
    return _scheme(address) in ("http", "ftp") and host not in _THIS_MACHINE


def _scheme(address: str) -> str:
    return urllib.parse.urlsplit(address).scheme.lower()


def host_of(address: str) -> str:
    """The name of the server, for messages."""
    return urllib.parse.urlsplit(address).netloc.rpartition("@")[2] or address
