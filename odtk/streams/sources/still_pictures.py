"""Single pictures: in a file here, in an object store, or at an http(s) address."""

import abc
import base64
import http.client
import io
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from odtk import files
from odtk.errors import DataError
from odtk.report.picture_files import count_frames, decode_picture, read_picture
from odtk.streams.sources.addresses import scheme_of, without_password
from odtk.streams.sources.source import Pixels, Source, Taken

_TIMEOUT_SECONDS = 30
_MOST_BYTES = 200 * 2**20
_PART_BYTES = 2**16
_LEAST_BYTES_PER_SECOND = 1000  # on average, after the time-out, which by itself is only that of each part
_NOT_QUOTED = "%/:;=@!$&'()*+,?~[]"  # what is quoted already stays, and what means something in an address


class StillPicture(Source):
    """One picture; a subclass says how it is read."""

    def pictures(self, every: int = 1) -> Iterator[Taken]:
        """The picture, whatever `every` is."""
        yield Taken(self._load)

    @abc.abstractmethod
    def _load(self) -> Pixels:
        """Reads and decodes it; raises DataError if that is not possible."""


class PictureFile(StillPicture):
    """A file on this machine."""

    def __init__(self, path: Path, name: str):
        super().__init__(str(path), name)
        self.path = path

    def _load(self) -> Pixels:
        return Pixels(np.asarray(read_picture(self.written)), count_frames(self.written))


class StoredPicture(StillPicture):
    """An object in a store, such as gs://bucket/cat.jpg."""

    def _load(self) -> Pixels:
        try:
            return _decoded(files.read_bytes(self.written), self.written)
        except OSError as error:
            raise DataError(f"{self.written} cannot be read: {error}.") from error


class WebPicture(StillPicture):
    """A picture at an http(s) address, which may have a user and a password in it."""

    def __init__(self, address: str, name: str):
        super().__init__(without_password(address), name)
        self._address = address

    def _load(self) -> Pixels:
        return _decoded(self._download(), self.written)

    def _download(self) -> bytes:
        try:
            opener = urllib.request.build_opener(_Redirects)
            with opener.open(_request(self._address), timeout=_TIMEOUT_SECONDS) as answer:
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if kind.startswith(("video/", "multipart/", "text/html")):
                    raise DataError(f"{self.written} is no picture but {kind}.{_hint(kind)}")
                return self._received(answer)
        except urllib.error.HTTPError as error:
            reason = str(error.reason).splitlines()[0] if error.reason else ""
            raise DataError(
                f"{self.written} cannot be fetched: the server answers {error.code} {reason}".rstrip(" .") + "."
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error).strip()
            raise DataError(
                f"{self.written} cannot be fetched: {reason}. Check the address and the network."
            ) from error

    def _received(self, answer: http.client.HTTPResponse) -> bytes:
        """All bytes of an answer; DataError if it is too long, too slow or breaks off."""
        expected, start, received = answer.length, time.monotonic(), bytearray()
        while part := answer.read1(_PART_BYTES):
            received += part
            if len(received) > _MOST_BYTES:
                raise DataError(f"{self.written} has more than {_MOST_BYTES // 2**20} MiB, too much for a picture.")
            seconds = time.monotonic() - start
            if seconds > _TIMEOUT_SECONDS and len(received) < _LEAST_BYTES_PER_SECOND * seconds:
                raise DataError(
                    f"{self.written} cannot be fetched: after {seconds:.0f} s {len(received):,} bytes of it have come. "
                    "Try again when the server or the network is faster."
                )
        if expected is not None and len(received) < expected:
            raise DataError(
                f"{self.written} cannot be fetched: the connection ended after {len(received):,} of its {expected:,} "
                "bytes. Try again."
            )
        return bytes(received)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only to http(s) addresses; user and password go along to the same machine alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """See the base class."""
        scheme = scheme_of(newurl)
        if scheme not in ("http", "https"):
            reason = f"with a redirection to {scheme}://, which is not followed"
            raise urllib.error.HTTPError(req.full_url, code, reason, headers, fp)
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.get_header("Authorization")
        if found and secret and found.host == req.host and found.type in (req.type, "https"):
            found.add_unredirected_header("Authorization", secret)
        return found


def _decoded(encoded: bytes, name: str) -> Pixels:
    return Pixels(np.asarray(decode_picture(encoded, name)), count_frames(io.BytesIO(encoded)))


def _request(address: str) -> urllib.request.Request:
    """The request for an address as users write it: with umlauts, spaces, and a user and a password."""
    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    host = host if host.isascii() else host.encode("idna").decode()
    quoted = (urllib.parse.quote(part, safe=_NOT_QUOTED) for part in (parts.path, parts.query))
    headers = {"User-Agent": "odtk", "Accept": "image/*,*/*;q=0.8"}
    request = urllib.request.Request(urllib.parse.urlunsplit((parts.scheme, host, *quoted, "")), headers=headers)
    if at:
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")  # is not for other servers
    return request


def _hint(kind: str) -> str:
    if kind.startswith("text/"):
        return " Give the address of the picture itself, not of a page that shows it."
    return " Put the word video: before its address to have it read as a video."
