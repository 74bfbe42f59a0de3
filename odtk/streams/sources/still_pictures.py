"""Single pictures: in a file here, in an object store, or at an http(s) address."""

import base64
import http.client
import io
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from odtk import files
from odtk.errors import DataError
from odtk.report.picture_files import count_frames, decode_picture, read_picture
from odtk.streams.sources.addresses import without_password
from odtk.streams.sources.source import Pixels, Source, Taken

_TIMEOUT_SECONDS = 30
_MOST_BYTES = 200 * 2**20


class StillPicture(Source):
    """One picture; a subclass says how it is read."""

    def pictures(self, every: int = 1) -> Iterator[Taken]:
        """The picture, whatever `every` is."""
        yield Taken(self._load)

    def _load(self) -> Pixels:
        raise NotImplementedError


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
            with urllib.request.urlopen(_request(self._address), timeout=_TIMEOUT_SECONDS) as answer:
                kind = answer.headers.get_content_type()
                if kind.startswith(("video/", "multipart/", "text/")):
                    raise DataError(f"{self.written} is no picture but {kind}.{_hint(kind)}")
                encoded = answer.read(_MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise DataError(
                f"{self.written} cannot be fetched: the server answers {error.code} {error.reason}."
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(
                f"{self.written} cannot be fetched: {reason}. Check the address and the network."
            ) from error
        if len(encoded) > _MOST_BYTES:
            raise DataError(f"{self.written} has more than {_MOST_BYTES // 2**20} MiB, too much for a picture.")
        return encoded


def _decoded(encoded: bytes, name: str) -> Pixels:
    return Pixels(np.asarray(decode_picture(encoded, name)), count_frames(io.BytesIO(encoded)))


def _request(address: str) -> urllib.request.Request:
    """Asks for a picture; user and password of the address go into a header."""
    parts = urllib.parse.urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    headers = {"User-Agent": "odtk", "Accept": "image/*,*/*;q=0.8"}
    if at:
        headers["Authorization"] = f"Basic {base64.b64encode(urllib.parse.unquote(user).encode()).decode()}"
    return urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)), headers=headers)


def _hint(kind: str) -> str:
    if kind.startswith("text/"):
        return " Give the address of the picture itself, not of a page that shows it."
    return " Put the word video: before its address to have it read as a video."
