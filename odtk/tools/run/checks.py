"""Checks all stages that are going to run before the first of them starts, by the same checks as their commands.

What does not exist yet, because an earlier stage makes it, is checked by the stage itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from odtk import files, machine
from odtk.checkpoints.files import is_exported_folder
from odtk.device_words import GPU, parse_devices
from odtk.errors import OdtkError, ProjectError
from odtk.tools.run.config_checks import check_configure, check_train
from odtk.tools.run.keys import DEVICES, FILLED_IN, MADE, SECTIONS
from odtk.tools.run.places import check_places
from odtk.tools.run.project import Project


def check_stages(project: Project, running: Sequence[str]) -> None:
    """Raises an OdtkError, which names file and line, for the first of the stages `running` that cannot work."""
    check_places(project)
    _check_sources(project, running)
    _check_devices(project, running)
    train, config = project.stages["train"] if "train" in running else None, None
    trained = train.arguments(project.folder)["model_dir"] if train else None
    for name in running:
        with naming_the_line(project, name):
            arguments = project.stages[name].arguments(project.folder)
            if name == "make-tfrecords":
                _check_conversion(arguments)
            elif name == "configure":
                config = check_configure(project, arguments, running)
            elif name == "train":
                check_train(project, arguments, config, is_first=name == running[0])
            elif name == "export":
                _check_export(arguments)
            elif name == "predict":
                _check_predict(arguments)
            if name in ("evaluate", "export"):
                _check_checkpoint(arguments, trained, can_be_exported=name == "evaluate")


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


def _check_sources(project: Project, running: Sequence[str]) -> None:
    """What a stage reads is there, or made before it."""
    for (name, key), sources in FILLED_IN.items():
        maker, made = next(((maker, made) for maker, made in sources if maker in project.stages), ("", ""))
        is_made = (maker, made) in MADE and maker not in running
        if name not in running or not is_made or key in project.stages[name].lines:
            continue
        found = project.stages[name].arguments(project.folder)[key.replace("-", "_")]
        for place in found if isinstance(found, list) else [found]:
            if not (files.is_remote(place) or os.path.exists(place)):
                raise ProjectError(
                    f"{project.where(name)}: {name} reads {place}, which {maker} has not made yet. Run {maker} as "
                    f"well: leave out what keeps it from running (only, from), or start from {maker}."
                )


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
        if key == "devices":
            _require_there(chosen, f"{project.where(name, key)}: {name}")


def _require_there(word: str, where: str) -> None:
    """Raises ProjectError for GPUs that this machine cannot have, as far as that is known without TensorFlow."""
    count = machine.most_gpus()
    kind, numbers = (GPU, [0]) if word == "all" else parse_devices("cpu" if word == "auto" else word)
    if count is not None and kind == GPU and max(numbers) >= count:
        found = f"{count} GPU{'s' * (count != 1)}" if count else "no GPU"
        raise ProjectError(
            f"{where} is to use {word}, but this machine has {found}. Choose among what it has, or auto; `odtk doctor` "
            "lists it."
        )


def _check_conversion(arguments: dict[str, Any]) -> None:
    from odtk.tools.make_tfrecords import check_conversion

    check_conversion(**arguments)


def _check_export(arguments: dict[str, Any]) -> None:
    from odtk.exporting.formats import ExportOptions
    from odtk.tools.export import check_options

    chosen = {each.name: arguments[each.name] for each in fields(ExportOptions) if each.name in arguments}
    others = {name: arguments[name] for name in ("format", "verify", "tolerance") if name in arguments}
    check_options(ExportOptions(**chosen), **others)


def _check_predict(arguments: dict[str, Any]) -> None:
    from odtk import label_map
    from odtk.streams import output_kinds
    from odtk.streams.sources.places import STDIN, find_sources

    if STDIN in arguments["images"]:
        raise OdtkError("A project has no standard input. Name the images in the file.", argument="images")
    for source in find_sources(arguments["images"], not_in=arguments["output"]):
        if source.is_live:
            raise OdtkError(
                f"{source.written} does not end by itself, so no stage can be made of it. Run odtk predict by itself.",
                argument="images",
            )
    if "save" in arguments:
        output_kinds.check(arguments["save"])
    if "label_map" in arguments:
        label_map.read(label_map.find(arguments["label_map"]))


def _check_checkpoint(arguments: dict[str, Any], trained: str | None, can_be_exported: bool) -> None:
    """What is evaluated or exported, if training, into the model dir `trained`, does not make it now.

    If it `can_be_exported`, it may also be an exported model, or a file of its detections.
    """
    from odtk.tools.run.content import Contents

    chosen = arguments.get("checkpoint")
    place = chosen if chosen not in (None, "best", "last", "all") else arguments["model_dir"]
    if files.is_remote(place) or (trained and _is_within(place, trained)):
        return
    if can_be_exported and (os.path.isfile(place) or is_exported_folder(place)):
        return
    if Contents(os.devnull).of_checkpoints(place) is None:
        argument = "model_dir" if place == arguments["model_dir"] else "checkpoint"
        others = ": best, last, or the path of one" if argument == "checkpoint" else ""
        raise OdtkError(f"{place} holds no checkpoint. Train first, or give another{others}.", argument=argument)


def _is_within(place: str, folder: str) -> bool:
    real = os.path.realpath(folder)
    return f"{os.path.realpath(place)}/".startswith(os.path.join(real, ""))
