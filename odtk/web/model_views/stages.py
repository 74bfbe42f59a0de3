"""Where a project is on its way: what is next."""

from __future__ import annotations

from dataclasses import dataclass

from odtk import pipeline
from odtk.detectors import families
from odtk.errors import OdtkError
from odtk.web.projects import Project

MODEL, TRAINING, RESULTS = "model", "training", "results"
_LINES = {MODEL: "Not trained yet", TRAINING: "Has a training", RESULTS: "Trained and evaluated"}


@dataclass(frozen=True)
class ProjectLine:
    """A project in the list."""

    project: Project
    stage: str
    about: str

    @property
    def line(self) -> str:
        """How far it is."""
        return line_of(self.project)


def stage_of(project: Project) -> str:
    """The last part of the address of the page that is next."""
    if (project.run / "eval" / "metrics.json").exists():
        return RESULTS
    return TRAINING if project.run.exists() else MODEL


def line_of(project: Project) -> str:
    """How far a project is, in a few words."""
    return _LINES[stage_of(project)]


def project_line(project: Project) -> ProjectLine:
    """A project with what it is about: its model and the size of its images."""
    return ProjectLine(project, stage_of(project), _about(project))


def _about(project: Project) -> str:
    try:
        config = pipeline.read(project.config)
        family = families.of(config)
    except OdtkError:
        return "No config that can be read"
    sides = list(family.fixed_sides(config.model).values())
    size = f", {sides[-1]} × {sides[0]}" if sides else ""
    return f"{families.type_of(config.model)}{size}, {config.train_config.num_steps:,} steps"
