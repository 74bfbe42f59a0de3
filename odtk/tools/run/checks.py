"""Checks all stages that are going to run before the first of them starts, by the same checks as their commands.

What does not exist yet, because an earlier stage makes it, is checked by the stage itself.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from odtk import files, pipeline
from odtk.errors import ConfigError, OdtkError, ProjectError
from odtk.findings import ERROR, Finding
from odtk.tools.run.keys import DEVICES, SECTIONS
from odtk.tools.run.places import check_places
from odtk.tools.run.project import Project

_READERS = ("train_input_reader", "eval_input_reader")


def check_stages(project: Project, running: Sequence[str]) -> None:
    """Raises an OdtkError, which names file and line, for the first of the stages `running` that cannot work."""
    check_places(project)
    _check_devices(project, running)
    config = None
    for name in running:
        with naming_the_line(project, name):
            arguments = project.stages[name].arguments(project.folder)
            if name == "make-tfrecords":
                _check_conversion(arguments)
            elif name == "configure":
                config = _check_configure(project, arguments, running)
            elif name == "train":
                _check_train(project, arguments, config, is_first=name == running[0])
            elif name == "export":
                _check_export(arguments)
            elif name == "predict":
                _check_predict(arguments)
            if name in ("evaluate", "export") and "train" not in running:
                _check_checkpoint(arguments)


@contextlib.contextmanager
def naming_the_line(project: Project, stage: str) -> Iterator[None]:
    """Adds file, line and key to an error that a stage raises in the block."""
    try:
        yield
    except ProjectError:
        raise
    except OdtkError as error:
        key = (error.argument or "").replace("_", "-")
        named = f" Key: {key}." if key in SECTIONS[stage].keys else ""
        raise type(error)(f"{project.where(stage, key)}: {stage}: {error}{named}") from error


def _check_devices(project: Project, running: Sequence[str]) -> None:
    """One process keeps the devices that it has started with."""
    first: tuple[str, str] | None = None
    for name in running:
        values = project.stages[name].values
        key = next((key for key in reversed(DEVICES) if key in values), None)
        if key is None and name not in ("train", "evaluate"):  # takes what there is
            continue
        chosen = values[key] if key else "auto"
        if first and chosen != first[1]:
            raise ProjectError(
                f"{project.where(name, key)}: {first[0]} is to use {first[1]} and {name} {chosen}, but one process "
                f"keeps the devices that it has started with. Give both the same, or run {name} by itself (only)."
            )
        first = first or (name, chosen)


def _check_conversion(arguments: dict[str, Any]) -> None:
    from odtk.tools.make_tfrecords import check_conversion

    check_conversion(**arguments)


def _check_configure(project: Project, arguments: dict[str, Any], running: Sequence[str]):
    """The config that configure would write, as far as it can be known; raises ConfigError if it has errors."""
    from odtk.tools.configure import configure

    output, are_made = arguments["output"], "make-tfrecords" in running and _reads_made_records(project)
    if are_made:
        arguments = {name: value for name, value in arguments.items() if name not in ("train_records", "eval_records")}
    with tempfile.TemporaryDirectory(prefix="odtk-config-") as folder:
        planned = os.path.join(folder, os.path.basename(output))
        try:
            report = configure(**(arguments | {"output": planned}))
        except OdtkError as error:
            raise type(error)(str(error).replace(planned, output), argument=error.argument) from error
        if project.stages.keys() & {"train", "evaluate", "export"}:
            known = [finding for finding in report.findings if _is_known(finding, project, are_made)]
            _require_none(known, "the config that it would write has errors; set these fields by its keys", planned)
        return pipeline.read(planned)


def _is_known(finding: Finding, project: Project, are_made: bool) -> bool:
    """Whether a finding is about what the project uses, and not about records that are still to be made."""
    unread = () if "evaluate" in project.stages else ("eval_",)
    return not finding.path.startswith((*unread, *(_READERS if are_made else ())))


def _require_none(findings: Sequence[Finding], text: str, temporary: str = "") -> None:
    """Raises ConfigError that lists the errors among the findings, if there are any."""
    errors = [finding for finding in findings if finding.severity == ERROR]
    if errors:
        listed = "".join(f"\n  {error.path}: {error.text}".replace(temporary or "\0", "it") for error in errors)
        raise ConfigError(f"{text}:{listed}")


def _reads_made_records(project: Project) -> bool:
    made = project.stages["make-tfrecords"].values["output-dir"]
    return made in project.stages["configure"].values.get("train-records", [])


def _check_train(project: Project, arguments: dict[str, Any], config, is_first: bool) -> None:
    """`config`: the one that configure would write; None if that does not run, so that the file counts.

    Of the stage that is first to run the config is not checked here: it does that itself, at once.
    """
    from odtk.tools.check_config import check_config
    from odtk.tools.train import check_options, require_checkpoint_to_reuse
    from odtk.tools.train.options import TrainingOptions
    from odtk.tools.train.profiled_steps import profiled_steps, require_within

    arguments = dict(arguments)
    filename = arguments.pop("pipeline_config")
    del arguments["model_dir"]
    options = TrainingOptions(**(arguments | {"log_to": tuple(arguments.get("log_to", ()))}))
    check_options(options)
    if config is None:
        config = pipeline.read(filename)
        if not is_first:
            findings = check_config(config, filename, needs=("train",))
            _require_none([each for each in findings if _is_known(each, project, True)], f"{filename} has errors")
    require_checkpoint_to_reuse(config, filename, options)
    if options.profile is not None:
        require_within(profiled_steps(options.profile), options.num_steps or config.train_config.num_steps)


def _check_export(arguments: dict[str, Any]) -> None:
    from odtk.tools.export import check_options

    names = ("input_type", "winograd", "precision")
    check_options(**{name: arguments[name] for name in names if name in arguments})


def _check_predict(arguments: dict[str, Any]) -> None:
    from odtk import label_map
    from odtk.report.picture_files import find_pictures

    find_pictures(arguments["images"], not_in=arguments["output"])
    if "label_map" in arguments:
        label_map.read(label_map.find(arguments["label_map"]))


def _check_checkpoint(arguments: dict[str, Any]) -> None:
    """What is evaluated or exported, where no training makes it now."""
    from odtk.tools.run.content import Contents

    chosen = arguments.get("checkpoint")
    place = chosen if chosen not in (None, "best", "last") else arguments["model_dir"]
    if not files.is_remote(place) and Contents(os.devnull).of_checkpoints(place) is None:
        argument = "model_dir" if place == arguments["model_dir"] else "checkpoint"
        raise OdtkError(f"{place} holds no checkpoint. Train first, or give another.", argument=argument)
