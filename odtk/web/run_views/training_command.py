"""The command that trains a project, and what is looked at before it goes into the queue."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odtk.errors import OdtkError
from odtk.web.commands import Command, command
from odtk.web.project_options import option_words, read_options
from odtk.web.projects import Project

SECTION = "train"
_TRAINING_PATHS = (
    "train_input_reader.label_map_path",
    "train_input_reader.tf_record_input_reader.input_path",
    "train_config.fine_tune_checkpoint",
)


def job_name(project: Project) -> str:
    """What the project's trainings are called in the queue."""
    return f"{SECTION}:{project.name}"


def paths_of(project: Project) -> tuple[str, str]:
    """Config and model dir, as a command in the workspace names them."""
    return project.workspace.shown(project.config), project.workspace.shown(project.run)


def training_options(project: Project) -> dict[str, Any]:
    """The options of the project file's section train, by their names, with values of their kinds.

    Raises ProjectError for one that `odtk run` would not take.
    """
    return read_options(project, SECTION, {"pipeline-config": project.config.name, "model-dir": None})


def training_command(project: Project) -> Command:
    """`odtk train projects/NAME/pipeline.config runs/NAME` with the options of the project file."""
    return command(SECTION, *paths_of(project), *option_words(project, SECTION, training_options(project)))


def check_command(project: Project) -> Command:
    """Checks the config, as a training does before it loads TensorFlow."""
    return command("configure", paths_of(project)[0], "--check")


@dataclass(frozen=True)
class ConfigFacts:
    """What the page needs of a pipeline.config."""

    num_steps: int
    batch_size: int
    rate: float | None
    """The base learning rate of its schedule; None if it has none."""


def config_facts(text: str, filename: str) -> ConfigFacts:
    """Reads a config; raises ConfigError."""
    from odtk import pipeline
    from odtk.tools import schedule_edits

    config = pipeline.parse(text, filename)
    rate = schedule_edits.base_rate(config)
    train = config.train_config
    # Of single precision in the message: 0.02, not 0.019999999552965164.
    return ConfigFacts(train.num_steps, train.batch_size, None if rate is None else float(f"{rate[1]:.7g}"))


def findings_before_training(project: Project, findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The findings of `odtk configure --check` as a training takes them.

    What it reads must be there; errors of the evaluation part are warnings, as it trains without evaluations then; a
    config that the checkpoint of an earlier run does not fit is an error. What has no effect is left out.
    """
    found = [_as_training_takes_it(project, finding) for finding in findings if finding["severity"] != "note"]
    return found + _resuming(project)


def _as_training_takes_it(project: Project, finding: Mapping[str, Any]) -> dict[str, Any]:
    severity, path = finding["severity"], finding["path"] or ""
    if severity == "error" and path.startswith("eval_"):
        severity = "warning"
    elif severity == "warning" and path in _TRAINING_PATHS and not _is_there(project, path):
        severity = "error"
    return {**finding, "severity": severity}


def _is_there(project: Project, path: str) -> bool:
    """Whether the files of a field exist, as they are from the workspace, in which the job runs.

    A run that resumes does not read its fine-tuning checkpoint again.
    """
    from odtk import pipeline, resources

    value = pipeline.get_field(pipeline.read(project.config), path)
    if path.endswith("fine_tune_checkpoint"):
        return bool(list(project.run.glob("ckpt-*.index"))) or _exists(project, f"{value}.index")
    if path.endswith("label_map_path"):
        return _exists(project, value) or os.path.basename(value) in resources.shipped_files("label_maps", ".pbtxt")
    patterns = [value] if isinstance(value, str) else list(value)
    return bool(patterns) and all("://" in each or glob.glob(_here(project, each)) for each in patterns)


def _exists(project: Project, path: str) -> bool:
    return "://" in path or os.path.exists(_here(project, path))


def _here(project: Project, path: str) -> str:
    return os.path.join(project.workspace.folder, path)


def _resuming(project: Project) -> list[dict[str, Any]]:
    """What the checkpoint of an earlier run says to the config as it is now."""
    from odtk import pipeline
    from odtk.tools.train.config_changes import require_resumable

    if not list(project.run.glob("ckpt-*.index")):
        return []
    lines: list[str] = []
    try:
        require_resumable(pipeline.read(project.config), project.config, project.run, lines.append)
    except OdtkError as error:
        return [_finding("error", str(error))]
    return [_finding("warning", line.removeprefix("warning: ")) for line in lines if line.startswith("warning: ")] + [
        _finding("note", line) for line in lines if not line.startswith("warning: ")
    ]


def _finding(severity: str, text: str) -> dict[str, Any]:
    return {"severity": severity, "path": "", "line": None, "text": text, "fix": ""}
