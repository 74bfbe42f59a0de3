"""Forms with files: while they are received, the files lie on the workspace's disk, not in the system's own folder.

That one is often in memory, or on a small disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from odtk.errors import OutputError
from odtk.system_errors import describe

_LARGE = 20_000_000  # bytes of a body
_LARGE_AT_ONCE = 3


class ReceivedForms:
    """Reads forms; the files in them are in `folder`, which is emptied at the start, until they have been answered."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._large = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    @contextlib.asynccontextmanager
    async def read(self, request: Request, max_part_size: int) -> AsyncIterator[FormData]:
        """The form of a request. Raises OutputError if the disk is full, and 503 if others send large files already."""
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with request.form(max_part_size=max_part_size) as form:
                yield form
            return
        with self._place(request.headers.get("content-length", "")):
            parser = _Parser(request.headers, request.stream(), max_part_size=max_part_size)
            parser.folder = self._folder
            try:
                form = await parser.parse()
            except OSError as error:
                raise OutputError(describe(error, self._folder)) from error
            try:
                yield form
            finally:
                await form.close()

    @contextlib.contextmanager
    def _place(self, length: str) -> Iterator[None]:
        # A body of unknown length may be a large one.
        is_large = not length.isdecimal() or int(length) > _LARGE
        if is_large and self._large >= _LARGE_AT_ONCE:
            raise HTTPException(503, f"{self._large} large files are being sent already. Send this one after them.")
        self._large += is_large
        try:
            yield
        finally:
            self._large -= is_large


class _Parser(MultiPartParser):
    folder: Path

    def on_headers_finished(self) -> None:
        """Puts the file of a part, which has just begun, where it belongs."""
        super().on_headers_finished()
        found = self._current_part.file
        if found is not None:
            # The one that it replaces has nothing on the disk yet.
            file = SpooledTemporaryFile(max_size=self.spool_max_size, dir=os.fspath(self.folder))  # noqa: SIM115
            self._files_to_close_on_error.append(file)
            found.file = file  # type: ignore[assignment]
