"""What `odtk.run` returns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StageReport:
    """One stage of a run."""

    name: str
    ran: bool
    """Whether it was run; in a dry run, whether it would be."""
    reason: str
    """Why, or why not."""
    commands: list[str]
    """What does the same by hand, to be pasted into a shell in this order."""
    is_left_out: bool = False
    """Whether it would have run, had it been asked for."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Paths of what it writes, by what they are."""
    seconds: float = 0.0
    """What it took when it ran last."""
    results: dict[str, Any] = field(default_factory=dict)
    """A few numbers of what came out when it ran last."""
    report: Any = field(default=None, repr=False)
    """What the tool returned; None if it was not run."""


@dataclass
class RunReport:
    """All stages of a project, in their order."""

    project: str
    output: str
    lock: str
    stages: list[StageReport] = field(default_factory=list)
    stopped: str | None = None
    """Why the run ended before its last stage; None if it did not."""

    @property
    def ran(self) -> list[str]:
        """The names of the stages that ran; of a dry run: that would run."""
        return [stage.name for stage in self.stages if stage.ran]

    def __getitem__(self, name: str) -> StageReport:
        """A stage by its name; KeyError if the project does not have it."""
        return {stage.name: stage for stage in self.stages}[name]


def free_name(folder: str) -> str:
    """The first of FOLDER-1, FOLDER-2 ... that does not exist."""
    plain, number = folder.rstrip("/"), 1
    while os.path.lexists(f"{plain}-{number}"):
        number += 1
    return f"{plain}-{number}"
