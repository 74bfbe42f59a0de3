"""project.lock, beside a project file: what each stage took and gave when it ran last.

It has no dates of files and no paths of this machine, so it can be kept with the project file under version control.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odtk import atomic, files
from odtk.errors import ProjectError

RUNNING, DONE, STOPPED = "running", "done", "stopped"
"""A stage's state. It is RUNNING in the file of a process that was killed; STOPPED has more to do."""

FRESH, BEGUN = "fresh", "begun"
"""What a run with force does about a stage: it starts it, or has started it before it was interrupted."""

_FORMAT = 1


@dataclass
class Entry:
    """One stage: what it took and gave when it ran last."""

    state: str
    options: dict[str, Any]
    """As in the project file, without those at their defaults."""
    inputs: dict[str, str]
    """Digests by what they are of."""
    revision: int
    """Of what the stage does (see odtk.tools.run.stages)."""
    odtk: str
    """The version that ran it."""
    outputs: dict[str, str] = field(default_factory=dict)
    ended: str = ""
    seconds: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)
    """What came out, in a few numbers."""
    reason: str = ""
    """Why it was stopped."""


@dataclass
class Force:
    """A run with force, which has not come to its end where it stands in a lock."""

    stages: list[str]
    """Those that it was asked for."""
    begun: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether all its stages are finished."""
        return set(self.stages) <= set(self.finished)

    def of(self, stage: str) -> str | None:
        """FRESH or BEGUN for a stage that it still has to run; None for others."""
        if stage not in self.stages or stage in self.finished:
            return None
        return BEGUN if stage in self.begun else FRESH

    def note(self, stage: str, state: str) -> None:
        """Notes the new state of a stage."""
        noted = self.finished if state == DONE else self.begun
        if stage not in noted:
            noted.append(stage)


@dataclass
class Lock:
    """What a lock says."""

    entries: dict[str, Entry] = field(default_factory=dict)
    """By stage."""
    force: Force | None = None
    """The run with force that was interrupted."""


def path_of(project: str | os.PathLike) -> str:
    """The lock of a project file: project.lock beside project.yaml, pets.lock beside pets.yaml."""
    return os.path.splitext(os.fspath(project))[0] + ".lock"


def read(path: str) -> Lock:
    """What a lock says; without a file nothing. Raises ProjectError for a file of another kind."""
    try:
        found = json.loads(files.read_text(path))
        if found["format"] > _FORMAT:
            raise ProjectError(
                f"{path} was written by a newer odtk ({found.get('odtk')}). Install that, or make everything again in "
                "another output folder without this file."
            )
        force = found.get("force")
        return Lock({name: Entry(**entry) for name, entry in found["stages"].items()}, force and Force(**force))
    except FileNotFoundError:
        return Lock()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ProjectError(
            f"{path} is not what `odtk run` writes there ({type(error).__name__}: {error}). Restore it; or remove it "
            "and make everything again (force)."
        ) from error


def write(path: str, entries: Mapping[str, Entry], force: Force | None, version: str) -> None:
    """Writes all entries, whole or not at all."""
    stages = {name: dataclasses.asdict(entry) for name, entry in entries.items()}
    document: dict[str, Any] = {"format": _FORMAT, "odtk": version, "stages": stages}
    if force:
        document["force"] = dataclasses.asdict(force)
    atomic.write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
