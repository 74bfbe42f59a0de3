"""Which requests the studio answers: by host, token, origin and size, and what browsers may do with its pages.

Browsers send requests to any address on behalf of any page that they show, so a server on the loopback interface needs
these checks as much as one on a network. What is checked, in this order:

- the host: a name of this machine's loopback interface, else a foreign name could be made to point here (DNS
  rebinding); a studio that listens elsewhere has a token instead;
- the token, if there is one, in a cookie that one visit of `/?token=...` sets, or as `Authorization: Bearer`;
- for requests that change something: that they come from a page of the same origin, and (in `routing`) have the CSRF
  token of this workspace.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "odtk_studio"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors {ancestors}"
)
REPORT_POLICY = (
    "sandbox allow-same-origin; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {ancestors}"
)
"""Of the reports that commands write, which have their style inside: no script runs in them."""


def csrf_token(secret: bytes) -> str:
    """The token of a workspace's forms."""
    return hmac.new(secret, b"csrf", hashlib.sha256).hexdigest()


def is_equal(given: str | None, expected: str) -> bool:
    """Whether a secret is the one that is expected, in a time that tells nothing of it."""
    return hmac.compare_digest((given or "").encode(), expected.encode())


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    name = host.strip("[]").lower().rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def host_name(header: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


class Guard:
    """ASGI middleware that lets through what the module says, and adds the headers of every answer.

    `ancestors`: who may show the pages in a frame, as frame-ancestors of a Content-Security-Policy says it.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, ancestors: str = "'self'"):
        self._app, self._token, self._ancestors = app, token, ancestors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if self._token is None and not is_loopback(host_name(headers.get("host", ""))):
            return _refused(421, "This studio answers to localhost only. Start it with --host to reach it otherwise.")
        if self._token is not None:
            found = self._without_token(request)
            if found is not None:
                return found
        if request.method not in SAFE_METHODS and not is_same_origin(headers):
            return _refused(403, "A page of another origin sent this. Open the studio's own page and repeat it there.")
        return None

    def _without_token(self, request: Request) -> Response | None:
        """The answer to a request that does not carry the token, or that brings it to exchange it for a cookie."""
        assert self._token is not None
        given = request.query_params.get("token")
        if given is not None and request.method in SAFE_METHODS and is_equal(given, self._token):
            return self._signed_in(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        sent = [request.cookies.get(COOKIE), bearer if scheme.lower() == "bearer" else None]
        if any(is_equal(each, self._token) for each in sent):
            return None
        return _refused(401, "This studio needs its token: open the address that `odtk studio` printed.")

    def _signed_in(self, request: Request) -> Response:
        """Sends the browser to the same page without the token in its address, with a cookie."""
        rest = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "token"]
        # Never to an address of the form //elsewhere.
        path = "/" + request.url.path.lstrip("/")
        answer = RedirectResponse(path + ("?" + urlencode(rest) if rest else ""), status_code=303)
        assert self._token is not None
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="none" if secure else "strict", secure=secure)
        return answer

    def _add_headers(self, headers: MutableHeaders) -> None:
        added = {
            "content-security-policy": _POLICY.format(ancestors=self._ancestors),
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }
        for name, value in added.items():
            headers.setdefault(name, value)
        headers["content-security-policy"] = headers["content-security-policy"].replace("{ancestors}", self._ancestors)


def is_same_origin(headers: Headers | Mapping[str, str]) -> bool:
    """Whether the page that sent a request is of the host that it was sent to.

    A browser sends Origin with every request that changes something. What sends neither Origin nor Referer is no
    browser; it still needs the CSRF token.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin") or headers.get("referer")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status_code=status)
