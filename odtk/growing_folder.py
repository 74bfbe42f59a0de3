"""A folder that a command writes to over time, on this machine or in a store: locked, and its errors explained."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from odtk import atomic, files
from odtk.errors import OutputError
from odtk.folder_lock import FolderLock, locked_folder


@contextlib.contextmanager
def growing_folder(
    path: str | os.PathLike, kept: str, log: Callable[[str], None] = lambda line: None
) -> Iterator[FolderLock]:
    """Yields the lock of the folder `path`, made if it does not exist, for the block to write there over time.

    Raises OutputError if it cannot be written to or another process is using it in this way, and if the disk becomes
    full; `kept` then says what still exists ("Earlier checkpoints are unchanged."). See locked_folder for `log`.
    """
    folder = os.fspath(path).rstrip("/") if files.is_remote(path) else os.path.realpath(path)
    if not files.is_remote(folder):
        atomic.check_directory(folder)
    is_new = not files.exists(folder)
    try:
        with _answering_store(folder, kept) if files.is_remote(folder) else atomic.answering(Path(folder), kept):
            files.make_folder(folder)
            with locked_folder(folder, log) as lock:
                yield lock
    finally:
        if is_new:
            _remove_if_empty(folder)


@contextlib.contextmanager
def _answering_store(folder: str, kept: str) -> Iterator[None]:
    """Raises an error of a store that names `folder` as an OutputError that includes `kept`."""
    try:
        yield
    except Exception as error:
        is_of_files = isinstance(error, OSError) or type(error).__module__.startswith("tensorflow.")
        text = str(getattr(error, "message", None) or error)  # TensorFlow's: without the operation
        if not is_of_files or folder not in text:
            raise
        raise OutputError(f"{folder} cannot be written: {text.splitlines()[0].rstrip('.')}. {kept}") from error


def _remove_if_empty(folder: str) -> None:
    with contextlib.suppress(OSError, OutputError):
        if not files.is_remote(folder):
            os.rmdir(folder)
        elif not files.names_in(folder):
            files.remove_folder(folder)
