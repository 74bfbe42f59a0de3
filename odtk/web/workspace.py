"""The folder that a studio works in, and which other folders it may use."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from odtk.atomic import atomic_file, check_directory
from odtk.errors import OdtkError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HIDDEN = ".odtk-studio"
_SECRET_BYTES = 32


class OutsideError(OdtkError):
    """A path that lies neither in the workspace nor below a root."""


class Workspace:
    """Plain folders below `folder`, which is made if it is not there.

    `data` has uploaded datasets, `records` outputs of make-tfrecords, `projects` a folder per project with its `odtk
    run` file and its pipeline.config, `runs` a model dir per project, `exports` a folder of exports per project.
    `roots` are further folders that are read, and into whose annotation files corrections are written. Raises
    OutputError if the folder cannot be written to, and OdtkError for a root that is no folder.
    """

    def __init__(self, folder: str | os.PathLike, roots: Sequence[str | os.PathLike] = ()):
        check_directory(folder)
        self.folder = Path(os.path.realpath(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        for root in roots:
            if not os.path.isdir(root):
                raise OdtkError(f"{os.fspath(root)} is no folder. Name folders with data.", argument="roots")
        self.roots = (self.folder, *(Path(os.path.realpath(root)) for root in roots))
        self.data, self.records, self.projects, self.runs, self.exports = (
            self.folder / name for name in ("data", "records", "projects", "runs", "exports")
        )
        self.hidden = self.folder / _HIDDEN
        self.hidden.mkdir(mode=0o700, exist_ok=True)

    @property
    def queue_file(self) -> Path:
        """The queue of the workspace's jobs, for `odtk queue --queue`."""
        return self.folder / "queue.db"

    def inside(self, path: str | os.PathLike) -> Path:
        """The real path of `path` (relative ones are of the workspace), links resolved, if it lies below a root.

        Raises OutsideError if it does not, whether it exists or not: the answer tells nothing of what is elsewhere. As
        outside counts, too, what the studio keeps for itself, the queue, whose jobs have environments with secrets, and
        all whose name begins with a dot, such as .ssh below a root.
        """
        text = os.fspath(path)
        found = None if "\0" in text else Path(os.path.realpath(self.folder / text))
        if found is None or not self._is_below_a_root(found) or self._is_private(found):
            raise OutsideError(
                f"{text!r} is not below the studio's folders: {', '.join(map(str, self.roots))}; names that begin with "
                "a dot, and the studio's own files, are left out. Start the studio with --root FOLDER for a further "
                "one."
            )
        return found

    def _is_below_a_root(self, path: Path) -> bool:
        below = [path.relative_to(root).parts for root in self.roots if path.is_relative_to(root)]
        return any(not any(part.startswith(".") for part in parts) for parts in below)

    def _is_private(self, path: Path) -> bool:
        """By name, and by identity: a file system may take other spellings for the same file, and files have links."""
        queue = self.queue_file.name
        if path.is_relative_to(self.folder) and path != self.folder:
            first = path.relative_to(self.folder).parts[0].lower()
            if first == _HIDDEN or first.startswith(queue):
                return True
        private = (self.hidden, self.queue_file, self.queue_file.with_name(f"{queue}.files"))
        identities = {_identity(each) for each in private} - {None}
        return any(_identity(each) in identities for each in (path, *path.parents))

    def shown(self, path: str | os.PathLike) -> str:
        """A path as a command in the workspace names it: relative to it where it lies below, and never an option."""
        found = Path(path)
        text = os.fspath(found.relative_to(self.folder)) if found.is_relative_to(self.folder) else os.fspath(found)
        return f"./{text}" if text.startswith("-") else text

    def secret(self) -> bytes:
        """Random bytes that only this workspace's studio knows; the same after a restart."""
        path = self.hidden / "secret"
        if not path.exists() or len(path.read_bytes()) < _SECRET_BYTES:  # of a disk that was full
            with atomic_file(path, _SECRET_BYTES) as part:
                part.chmod(0o600)
                part.write_bytes(secrets.token_bytes(_SECRET_BYTES))
        return path.read_bytes()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def valid_name(text: str, what: str) -> str:
    """`text` if it can be the name of a folder in the workspace and in an address; OdtkError if not."""
    if not _NAME.fullmatch(text) or text.endswith("."):
        raise OdtkError(
            f"{what} cannot be called {text!r}. Use letters, digits, '_', '-' and '.', at most 64, and begin with a "
            "letter or a digit."
        )
    return text
