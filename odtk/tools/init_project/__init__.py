"""`odtk run --init FOLDER`: looks at a folder of annotated images, and writes a commented project file for it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from odtk import files
from odtk.atomic import check_file, write_text
from odtk.errors import OutputError
from odtk.tools.init_project.choice import LARGE, PHONE, make_plan
from odtk.tools.init_project.data_facts import DataFacts, find_data_facts
from odtk.tools.init_project.machine_facts import CPU, MachineFacts, find_machine_facts
from odtk.tools.init_project.notes import notes
from odtk.tools.init_project.project_file import Project, found_in_words, project_text
from odtk.tools.zoo_checkpoints import checkpoints_here, zoo_checkpoints

__all__ = ["InitReport", "init_project"]


@dataclass(frozen=True)
class InitReport:
    """The written project file, and what it is made of."""

    output: str
    found: str
    """What the folder holds, as a sentence."""
    machine: str
    """What training will run on."""
    chosen: dict[str, object]
    """Option to its value."""
    why: dict[str, str]
    """Option to the reason."""
    time: str | None
    """That training may take; None if nothing is known of the device."""
    notes: tuple[str, ...]
    """What is better known before training."""

    @property
    def next_command(self) -> str:
        """The command that runs the project."""
        return shlex.join(["odtk", "run", self.output])


def init_project(
    folder: str | os.PathLike, output: str | os.PathLike | None = None, overwrite: bool = False
) -> InitReport:
    """Writes a project file for `odtk run`, whose values suit the images in `folder` and this machine.

    `output` None is FOLDER's name with .yaml, in the current folder. The same folder gives the same file on the same
    machine. A checkpoint of TFOD's model zoo that was unpacked beside the file or the images is fine-tuned from. Raises
    DataError if the folder has no annotated images, OutputError if `output` exists, unless `overwrite`.
    """
    name = _name_of(folder)
    path = Path(f"{name}.yaml" if output is None else output)
    if output is not None and files.is_remote(output):
        raise OutputError(f"{os.fspath(output)} is not on this machine. A project file is written to a folder here.")
    check_file(path, overwrite)
    facts = find_data_facts(folder)
    machine = find_machine_facts()
    project = _project(path, Path(folder), name, facts, machine)
    write_text(path, project_text(project))
    return _report(path, project)


def _name_of(folder: str | os.PathLike) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(folder).resolve().name).strip("-.") or "project"


def _project(path: Path, folder: Path, name: str, facts: DataFacts, machine: MachineFacts) -> Project:
    base = path.absolute().parent
    near = (str(base), str(folder.absolute()), str(folder.absolute().parent))
    here = {name: _relative(prefix, base) for name, prefix in checkpoints_here(near).items()}
    plan = make_plan(facts, machine, here)
    return Project(
        name=path.name,
        data_dir=_relative(folder, base),
        output=_output(base, folder.absolute(), name),
        label_map=facts.label_map and _relative(facts.label_map, base),
        facts=facts,
        machine=machine,
        plan=plan,
        notes=tuple(notes(plan, facts, machine)),
        to_fine_tune=zoo_checkpoints()[PHONE if machine.kind == CPU else LARGE],
    )


def _relative(path: str | os.PathLike, base: Path) -> str:
    """From the project file's folder, if it is not far from there."""
    relative = os.path.relpath(path, base)
    return relative if relative.count("..") <= 2 else os.path.abspath(path)


def _output(base: Path, folder: Path, name: str) -> str:
    """Never inside the folder of the images, where pictures of a run would look like data."""
    inside = base.resolve().is_relative_to(folder.resolve())
    return _relative(folder.parent / "runs" / name, base) if inside else f"runs/{name}"


def _report(path: Path, project: Project) -> InitReport:
    plan = project.plan
    size = plan.image_size.size
    values: dict[str, object] = {
        "base": plan.base, "image-size": f"{size[0]}x{size[1]}", "batch-size": plan.batch_size,
        "num-steps": plan.num_steps,
    }  # fmt: skip
    if plan.val_fraction is not None:
        values["val-fraction"] = plan.val_fraction
    return InitReport(
        output=str(path),
        found=found_in_words(project.facts),
        machine=project.machine.in_words,
        chosen=values,
        why={key: plan.why[key] for key in values},
        time=plan.time,
        notes=project.notes,
    )
