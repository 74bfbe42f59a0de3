"""`odtk run`: the stages of a project file, of which those run whose inputs changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from odtk.errors import OdtkError
from odtk.growing_folder import growing_folder
from odtk.prototext.schema import nearest
from odtk.tools.run.carrying_out import Carrying
from odtk.tools.run.keys import SECTIONS
from odtk.tools.run.project import Project, read
from odtk.tools.run.report import RunReport, StageReport
from odtk.tools.run.stages import WatchForStop

__all__ = ["RunReport", "StageReport", "carry_out", "run"]

_KEPT = "What the stages before wrote is unchanged; the same command goes on from there."


def run(
    project: str | os.PathLike,
    *,
    only: str | None = None,
    from_stage: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    log: Callable[[str], None] = lambda line: None,
    watch_for_stop: WatchForStop = lambda: contextlib.nullcontext(lambda: None),
) -> RunReport:
    """Runs the stages of a project file (see docs/run.md) whose inputs, options or outputs changed since they ran.

    `only` names one stage to run, `from_stage` the first of those to run; with `force` these run although nothing
    changed; such a run that was interrupted goes on. All values are checked before the first stage starts. `dry_run`
    writes nothing: its report has the commands that would be run. `log` is called with lines for the user;
    `watch_for_stop` makes, for the time of training, what it asks about once per second whether to stop (see
    `odtk.train`). A stage that was interrupted resumes (training) or starts over; its place is taken from the lock,
    beside the project file. Raises ProjectError with file and line, and whatever the tools raise; OutputError if
    outputs exist that no run of this project wrote.
    """
    found = read(project)
    chosen = _chosen(found, only, from_stage)
    if dry_run:
        return Carrying(found, chosen, force, log, watch_for_stop).plan()
    with growing_folder(found.output, _KEPT, log):
        return carry_out(found, chosen, force, log, watch_for_stop)


def carry_out(
    project: Project,
    chosen: list[str],
    force: bool,
    log: Callable[[str], None],
    watch_for_stop: WatchForStop = lambda: contextlib.nullcontext(lambda: None),
) -> RunReport:
    """Runs the stages `chosen` of a project whose output folder the caller has locked."""
    return Carrying(project, chosen, force, log, watch_for_stop).run()


def _chosen(project: Project, only: str | None, from_stage: str | None) -> list[str]:
    """The stages to run, by name."""
    names = list(project.stages)
    if only and from_stage:
        raise OdtkError("Only one stage is to run, and all from one on; choose one of the two.", argument="only")
    for argument, name in {"only": only, "from_stage": from_stage}.items():
        if name is not None and name not in names:
            near = nearest(name, names) if name not in SECTIONS else []
            hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(names)}."
            raise OdtkError(f"{project.path} has no stage {name!r}. {hint}", argument=argument)
    if only:
        return [only]
    return names[names.index(from_stage) :] if from_stage else names
