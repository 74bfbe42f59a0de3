"""The part of a file that is here already, and what is known of it, so that a later run continues with it.

Unlike other unfinished outputs (odtk.unfinished) it stays when its process ends: NAME.part beside the file, and
NAME.part.json with the address and the version that the bytes are of.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from odtk.atomic import answering, check_file, write_text
from odtk.errors import OutputError
from odtk.system_errors import describe
from odtk.unfinished import LOCKED, try_lock


@dataclass(frozen=True)
class Version:
    """Which file the bytes are of."""

    address: str = ""
    validator: str | None = None
    total: int | None = None


class PartFile:
    """An unfinished file, which one process writes."""

    def __init__(self, target: Path):
        self.target, self.path = target, target.with_name(f"{target.name}.part")
        self._facts = target.with_name(f"{target.name}.part.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[PartFile]:
        """Makes the file if needed; raises OutputError if it cannot be written, or another process writes it."""
        check_file(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = f"What was downloaded stays in {self.path}: the same command goes on from there."
        with answering(self.path.parent, kept), open(self.path, "ab") as file:
            if os.name != "posix":
                file.close()  # Windows renames no open file
            elif try_lock(file.fileno()) == LOCKED:
                raise OutputError(f"Another odtk is downloading {self.target}. Wait for it, or choose another folder.")
            try:
                yield self
            finally:
                if self.path.exists() and not self.path.stat().st_size:
                    self.discard()

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> Version:
        """What the bytes are of; nothing is known without or with a damaged file of facts."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Version(**json.loads(self._facts.read_text("utf-8")))
        return Version()

    def begin(self, version: Version, start: int) -> None:
        """The next bytes are of `version`, from `start` on; what was behind it is cut off."""
        os.truncate(self.path, start)
        write_text(self._facts, json.dumps(asdict(version)))

    def discard(self) -> None:
        """Forgets all bytes."""
        self._facts.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forgets all bytes, to begin again."""
        self._facts.unlink(missing_ok=True)
        os.truncate(self.path, 0)

    def finish(self) -> None:
        """The file is whole: it gets its name."""
        try:
            os.replace(self.path, self.target)
        except OSError as error:
            raise OutputError(describe(error, self.target)) from error
        self._facts.unlink(missing_ok=True)
