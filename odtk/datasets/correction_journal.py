"""Which corrections were written into a dataset's files, so that a writing that was cut off can go on.

A hidden file in the dataset's folder has, for each annotation file, the digest of what it was made, and the corrections
that are in that. It is written first: an annotation file of another digest was not reached, or was changed since.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from odtk.atomic import write_text
from odtk.datasets.corrections import Correction

NAME = ".odtk-corrections.json"

Written = dict[str, "WrittenFile"]
"""By the paths of annotation files, from the dataset's folder."""


@dataclasses.dataclass(frozen=True)
class WrittenFile:
    """What an annotation file was made."""

    digest: str
    corrections: tuple[str, ...]
    """By `key_of`."""


def key_of(correction: Correction) -> str:
    """All that a row of a table says."""
    return json.dumps([*dataclasses.astuple(dataclasses.replace(correction, line=None))])


class CorrectionJournal:
    """The file of a dataset's folder."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder) if os.path.isdir(folder) else Path(folder).parent
        self._path = self.folder / NAME

    def in_effect(self) -> Written:
        """The files that are as they were written."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            found = {path: WrittenFile(row["digest"], tuple(row["corrections"])) for path, row in rows.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return {path: each for path, each in found.items() if self._digest_of(path) == each.digest}

    def added(self, written: Written, path: Path, data: bytes, corrections: Iterable[Correction]) -> Written:
        """`written` with what a file is about to become; what is in it already stays in it."""
        name = os.path.relpath(path, self.folder)
        earlier = written[name].corrections if name in written else ()
        return {**written, name: WrittenFile(_digest(data), (*earlier, *map(key_of, corrections)))}

    def write(self, written: Written) -> None:
        """Replaces what is noted."""
        if written:
            write_text(self._path, json.dumps({path: dataclasses.asdict(each) for path, each in written.items()}))
        else:
            self._path.unlink(missing_ok=True)

    def _digest_of(self, path: str) -> str | None:
        with contextlib.suppress(OSError, ValueError):
            return _digest((self.folder / path).read_bytes())
        return None


def keys_in(written: Mapping[str, WrittenFile]) -> set[str]:
    """Those of all corrections."""
    return {key for each in written.values() for key in each.corrections}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
