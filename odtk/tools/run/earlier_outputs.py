"""What lies where a stage is going to write: an earlier training, which is kept, and what no run wrote."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable

from odtk import files
from odtk.errors import OutputError
from odtk.folder_lock import locked_folder
from odtk.tools.run.content import Contents
from odtk.tools.run.decisions import Decision
from odtk.tools.run.report import free_name


def is_occupied(stage: str, place: str, outputs: dict[str, str]) -> bool:
    """Whether there is anything where a stage writes; `outputs` is what looks like its own."""
    return bool(outputs) or (stage == "train" and bool(files.names_in(place)))


def require_ours(stage: str, place: str, decision: Decision, project: str, lock: str, force: bool) -> None:
    """Raises OutputError for what is at `place`, which the stage would replace, if no run of the project wrote it.

    With `force` outputs of others are replaced, but a folder that is not a training's is never set aside.
    """
    if stage == "evaluate":
        return
    if stage == "train":
        _require_training(place, decision, project, lock)
    if force:
        return
    if decision.is_unknown:
        raise OutputError(
            f"{_unknown(place, project, lock)} Set another place for what {stage} writes, move it away, or make it "
            "again (force).",
            argument="force",
        )
    if decision.is_edited and stage == "configure":
        raise OutputError(
            f"{place} was edited since configure wrote it, and the edits would be lost if it were written again. "
            f"Move them into {project}, as keys of configure (set takes any field); or keep the file: "
            "give another copy of it as base. Or write over it (force).",
            argument="force",
        )


def _require_training(model_dir: str, decision: Decision, project: str, lock: str) -> None:
    if decision.is_unknown and not _has_training(model_dir):
        raise OutputError(
            f"{_unknown(model_dir, project, lock)} It has no checkpoint either, so it is not set aside. Set another "
            "model-dir for train, or move it away."
        )
    if decision.runs and not decision.goes_on and files.is_remote(model_dir):
        _require_empty(model_dir)


def _unknown(place: str, project: str, lock: str) -> str:
    return f"{place} exists, and {lock} does not say that a run of {project} wrote it."


def _has_training(model_dir: str) -> bool:
    from odtk.tools.train.run_record import FILE

    return FILE in files.names_in(model_dir) or Contents(os.devnull).of_checkpoints(model_dir) is not None


def _require_empty(model_dir: str) -> None:
    if files.names_in(model_dir):
        raise OutputError(
            f"{model_dir} has an earlier training, which does not go on, and a folder in a store cannot be renamed. "
            "Set another model-dir for train, or remove that one."
        )


def set_aside(model_dir: str, log: Callable[[str], None]) -> None:
    """An earlier training, which `require_ours` has seen, is kept, not resumed and not removed."""
    if not files.names_in(model_dir):
        return
    if files.is_remote(model_dir):
        _require_empty(model_dir)
    with locked_folder(model_dir, log):  # not while another process trains there
        kept = free_name(model_dir)
    os.rename(model_dir, kept)
    log(f"The earlier training is kept in {kept}.")


def setting_aside(model_dir: str) -> str | None:
    """The command that does the same, to be pasted into a shell; None if there is nothing to set aside."""
    if files.is_remote(model_dir) or not files.names_in(model_dir):
        return None
    return shlex.join(["mv", model_dir, free_name(model_dir)])
