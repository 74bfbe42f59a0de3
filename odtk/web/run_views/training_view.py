"""All that the page of a training shows at one moment, from the queue and from the run's files."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from odtk import progress_file
from odtk.errors import OdtkError
from odtk.web.jobs import Jobs
from odtk.web.projects import Project
from odtk.web.run_views import run_folder
from odtk.web.run_views.growing_log import GrowingLog
from odtk.web.run_views.run_charts import Best
from odtk.web.run_views.run_folder import Picture, Session
from odtk.web.run_views.run_state import TRAINING, RunState, find_state
from odtk.web.run_views.run_store import Drawn, RunStore, Standing
from odtk.web.run_views.training_command import ConfigFacts, config_facts, job_name, training_options


@dataclass(frozen=True)
class Figures:
    """The numbers at the top; None where something is not known (yet)."""

    step: int | None
    total: int | None
    epoch: float | None
    images_per_second: float | None
    eta: float | None
    """Seconds."""
    device: str | None
    precision: str | None
    activity: str
    """What the job says it does now, beside its step."""
    best: Best | None

    @property
    def share(self) -> float | None:
        """How much is done, from 0 to 1."""
        return min(self.step / self.total, 1.0) if self.step is not None and self.total else None


@dataclass(frozen=True)
class TrainingView:
    """One look at a training."""

    state: RunState
    figures: Figures
    drawn: Drawn
    pictures: Sequence[Picture]
    batches: Sequence[Picture]
    warnings: Mapping[str, int]
    log: str | None
    """The end of it; None without a job that wrote one."""
    sessions: Sequence[Session]
    nan_report: str | None


def look(project: Project, jobs: Jobs, store: RunStore) -> TrainingView:
    """Reads what is new. It waits for the disk: to be called in a thread."""
    job = jobs.last(job_name(project))
    sessions = run_folder.sessions(project.run)
    log = store.log(job.log_path) if job is not None else GrowingLog("")
    state = find_state(job, sessions, run_folder.writer_of(project.run), log.error, planned_steps(project))
    drawn = store.draw(((project.name, project.run),))
    return TrainingView(
        state=state,
        figures=_figures(project, state, sessions, drawn),
        drawn=drawn,
        pictures=run_folder.evaluation_pictures(project.run),
        batches=run_folder.batch_pictures(project.run),
        warnings=dict(log.warnings),
        log=log.end if job is not None else None,
        sessions=sessions,
        nan_report=run_folder.nan_report(project.run),
    )


def _figures(project: Project, state: RunState, sessions: Sequence[Session], drawn: Drawn) -> Figures:
    standing, session = drawn.standings[0], sessions[-1] if sessions else None
    report = progress_file.read(state.job.progress_path) if state.job and state.kind == TRAINING else None
    step = standing.step
    if report is not None and report.unit == "steps":
        step = max(step or 0, report.completed)
    total = total_steps(project, session)
    return Figures(
        step=step,
        total=total,
        epoch=standing.epoch,
        images_per_second=standing.images_per_second,
        eta=_eta(standing, step, total) if state.is_live else None,
        device=session.device if session else None,
        precision=session.precision if session else None,
        activity=report.note if report is not None else "",
        best=drawn.bests[0],
    )


def _eta(standing: Standing, step: int | None, total: int | None) -> float | None:
    rate = standing.steps_per_second
    return max(total - step, 0) / rate if rate and step is not None and total else None


def total_steps(project: Project, session: Session | None) -> int | None:
    """The last step of a run: of the process that trained last, else of the config that would be trained."""
    if session is not None and isinstance(steps := session.arguments.get("num_steps"), int):
        return steps
    for path in (project.run / run_folder.CONFIG, project.config):
        if (facts := facts_of_file(path)) is not None:
            return facts.num_steps
    return None


def planned_steps(project: Project) -> int | None:
    """The last step of a training that is started now: the project file's option goes before the config."""
    with contextlib.suppress(OdtkError):
        if steps := training_options(project).get("num-steps"):
            return steps
    facts = facts_of_file(project.config)
    return facts.num_steps if facts else None


def facts_of_file(path: Path) -> ConfigFacts | None:
    """What a config says; None if it is not there, or no config. Read again only when it changes."""
    with contextlib.suppress(OSError, OdtkError, UnicodeDecodeError):
        return _facts(path, path.stat().st_mtime_ns)
    return None


@functools.lru_cache(maxsize=32)
def _facts(path: Path, version: int) -> ConfigFacts:
    return config_facts(path.read_text(encoding="utf-8"), str(path))
