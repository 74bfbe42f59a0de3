"""Which requests the studio answers: by host, token, origin and size, and what browsers may do with its pages.

Browsers send requests to any address on behalf of any page that they show, so a server on the loopback interface needs
these checks as much as one on a network. What is checked, in this order:

- the host: a name of this machine's loopback interface, else a foreign name could be made to point here (DNS
  rebinding); a studio that has a token may be behind a proxy and does not look at it;
- the token, if there is one: in a cookie that one visit of `/?token=...` sets, as `Authorization: Bearer`, or as the
  first part of every path: in a frame of another site, as a notebook's, browsers keep cookies back;
- where the request comes from: what changes something comes from a page of the same origin, and (in `routing`) has the
  CSRF token of this workspace; pages of other sites may link here, but load nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
_ROOT = re.compile(r"(/(?:[A-Za-z0-9._~@+,=:-]|%[0-9A-Fa-f]{2})+)+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")

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

_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

# Headers of an answer that hold an address of the studio.
_ADDRESSES = ("location", "hx-redirect", "hx-push-url", "hx-replace-url")


@dataclass(frozen=True)
class Access:
    """Who may open a studio. Raises ValueError for a token that could be guessed or would not fit into an address."""

    token: str | None = None
    is_in_path: bool = False
    """Whether the token is the first part of every path, instead of in a cookie."""
    ancestors: str = "'self'"
    """Who may show the pages in a frame, as frame-ancestors of a Content-Security-Policy says it."""
    cookie: str = "odtk_studio"
    """The cookie's name: all ports of a host share their cookies, so that each workspace needs its own."""
    root: str = ""
    """The path at which a proxy shows the studio, such as /user/ada/proxy/8765; proxies may take it away or not."""

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ValueError("A token is at least 16 letters, digits, '_' and '-'.")
        if self.is_in_path and self.token is None:
            raise ValueError("There is no token that could be in the path.")
        if self.root and not is_root(self.root):
            raise ValueError("A root is a path without the slash at its end.")

    @property
    def prefix(self) -> str:
        """What stands before every path of the studio, as a browser sees it: the root, and "/TOKEN" or nothing."""
        return self.root + (f"/{self.token}" if self.is_in_path else "")


def csrf_token(secret: bytes) -> str:
    """The token of a workspace's forms."""
    return hmac.new(secret, b"csrf", hashlib.sha256).hexdigest()


def cookie_name(secret: bytes) -> str:
    """The name of a workspace's cookie."""
    return "odtk_studio_" + hmac.new(secret, b"cookie", hashlib.sha256).hexdigest()[:8]


def is_equal(given: str | None, expected: str) -> bool:
    """Whether a secret is the one that is expected, in a time that tells nothing of it; none is never equal."""
    found = hmac.compare_digest(_as_bytes(given or ""), _as_bytes(expected))
    return found and bool(given)


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    name = host.strip("[]").lower().rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def host_name(header: str) -> str:
    """The name in a Host header, without its port; "" for what is none."""
    found = _HOST.fullmatch(header)
    return found[1] if found else ""


class Guard:
    """ASGI middleware, the outermost one: lets through what the module says, and adds the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access):
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page uses web sockets
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        scope = _without(scope, self._access.root)
        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(self._without_token_in_path(scope), receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if self._access.token is None and not is_loopback(host_name(headers.get("host", ""))):
            return _refused(
                421,
                "This studio answers to localhost only, as by ssh -L. Start it with --token to reach it otherwise.",
            )
        if self._access.token is not None:
            found = self._without_token(request)
            if found is not None:
                return found
        if request.method not in SAFE_METHODS and not self._is_own(headers):
            return _refused(403, "A page of another origin sent this. Open the studio's own page and repeat it there.")
        if request.method in SAFE_METHODS and not self._may_load(headers):
            return _refused(403, "A page of another origin tried to load this. Only links to the studio are answered.")
        return None

    def _is_own(self, headers: Headers) -> bool:
        # Behind a proxy that changes the host, the browser itself says that a page and its address are of one origin;
        # one that does not say it knows the secret path from the studio alone.
        told = headers.get("sec-fetch-site", "same-origin" if self._access.is_in_path else None)
        if self._access.token is not None and told == "same-origin":
            return True
        return is_same_origin(headers)

    def _may_load(self, headers: Headers) -> bool:
        """Whether a browser opens a page, or the page of the studio loads something."""
        if self._access.is_in_path or headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
            return True
        return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"

    def _without_token(self, request: Request) -> Response | None:
        """The answer to a request that does not carry the token, or that brings it to exchange it for a cookie."""
        token = self._access.token
        assert token is not None
        if self._access.is_in_path:
            first, slash, _ = request.url.path.removeprefix("/").partition("/")
            if not is_equal(first, token):
                return _refused(401, "This is no address of the studio: open the one that was shown.")
            return None if slash else RedirectResponse("/", status_code=303)
        given = request.query_params.get("token")
        if given is not None and request.method in SAFE_METHODS and is_equal(given, token):
            return self._signed_in(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        sent = [request.cookies.get(self._access.cookie), bearer if scheme.lower() == "bearer" else None]
        if True in [is_equal(each, token) for each in sent]:
            return None
        return _refused(401, "This studio needs its token: open the address that `odtk studio` printed.")

    def _signed_in(self, request: Request) -> Response:
        """Sends the browser to the same page without the token in its address, with a cookie."""
        rest = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "token"]
        # Never to an address of the form //elsewhere.
        path = "/" + request.url.path.lstrip("/\\")
        answer = RedirectResponse(path + ("?" + urlencode(rest) if rest else ""), status_code=303)
        assert self._access.token is not None
        # Lax: with strict, a browser that comes by a link of another site would not send it to the page it is sent to.
        is_secure = request.url.scheme == "https"
        answer.set_cookie(
            self._access.cookie,
            self._access.token,
            httponly=True,
            samesite="lax",
            secure=is_secure,
            path=self._access.root or "/",
        )
        return answer

    def _without_token_in_path(self, scope: Scope) -> Scope:
        """The request as the pages know it; below a refusal it does not matter."""
        return _without(scope, f"/{self._access.token}") if self._access.is_in_path else scope

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers["content-security-policy"] = headers["content-security-policy"].replace(
            "{ancestors}", self._access.ancestors
        )
        for name in _ADDRESSES if self._access.prefix else ():
            if re.match("/(?!/)", headers.get(name, "")):
                headers[name] = self._access.prefix + headers[name]


def _without(scope: Scope, start: str) -> Scope:
    """The request without the start of its path, if it has it."""
    plain = unquote(start)
    if not start or not (scope["path"] + "/").startswith(plain + "/"):
        return scope
    raw = scope.get("raw_path") or b""
    return {**scope, "path": scope["path"].removeprefix(plain) or "/", "raw_path": raw.removeprefix(start.encode())}


def is_root(path: str) -> bool:
    """Whether a path can be that at which a proxy shows the studio: quoted, and without a slash at its end."""
    parts = [unquote(part) for part in path.split("/")]
    return _ROOT.fullmatch(path) is not None and not any(
        part in (".", "..") or set(part) & set("/\\") for part in parts
    )


def is_same_origin(headers: Headers | Mapping[str, str]) -> bool:
    """Whether the page that sent a request is of the host that it was sent to.

    A browser sends Origin with every request that changes something. What sends neither Origin nor Referer is no
    browser; it still needs the CSRF token.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin, host = headers.get("origin", headers.get("referer")), headers.get("host", "")
    if origin is None:
        return True
    try:
        sender = urlsplit(origin)
    except ValueError:
        return False
    return sender.scheme in ("http", "https") and host != "" and sender.netloc.lower() == host.lower()


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status_code=status)
