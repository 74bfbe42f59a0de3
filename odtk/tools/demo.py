"""`odtk demo`: a run of the shipped project file on synthetic data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtk import unfinished
from odtk.annotations import pets
from odtk.atomic import write_text
from odtk.errors import OutputError
from odtk.findings import Finding
from odtk.growing_folder import growing_folder
from odtk.report.drawing import contact_sheet
from odtk.report.picture_files import write_picture
from odtk.resources import shipped_files
from odtk.tools.make_tfrecords import split_names
from odtk.tools.run import carry_out
from odtk.tools.run.project import Project, parse
from odtk.tools.synthetic_pets import draw_dataset
from odtk.tools.train import TrainingReport

if TYPE_CHECKING:
    from odtk.tools.export.certificate import Certificate

PROJECT, DATA = "project.yaml", "pets"
NUM_IMAGES = 160
NUM_PICTURES = 9
SEED = 7

# Marks a folder as made by a demo, so that another demo may replace it.
MARKER = ".odtk-demo"


@dataclass
class DemoReport:
    """The results: metrics on held-out images, files, how training ended, and what to do next."""

    folder: str
    metrics: dict[str, float]
    picture: str
    page: str  # of the evaluation
    findings: list[Finding]  # the things that would improve the detector, the costliest first
    training: TrainingReport
    certificate: Certificate | None  # how the exported model answers compared with its checkpoint
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage


def demo(
    folder: str | os.PathLike,
    num_images: int = NUM_IMAGES,
    num_steps: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> DemoReport:
    """Makes synthetic images in `folder`, and runs the shipped project on them, from records to predictions.

    `folder` must be new, empty, or an earlier demo's, which is replaced. It gets the project file, so that `odtk.run`
    can go on from there. `log` gets the command line of each stage.
    """
    folder = Path(folder)
    _check_room(folder)
    with growing_folder(folder, "The files that the demo wrote are still there; the same command starts over."):
        _clear(folder)
        data = folder / DATA
        log(f"Making {num_images} synthetic images of pets, in the layout of the Oxford-IIIT Pet dataset, in {data}")
        draw_dataset(data, num_images, seed=SEED)
        pictures = _held_out(data)
        project = _write_project(folder, pictures, num_steps)
        report = carry_out(project, list(project.stages), False, log)
    picture = _sheet(folder / "predictions", pictures, folder / "predictions.png")
    seconds = {stage.name: stage.seconds for stage in report.stages}
    evaluated = report["evaluate"].report
    return DemoReport(
        folder=str(folder),
        metrics=evaluated.metrics,
        picture=str(picture),
        page=str(evaluated.report_path),
        findings=list(evaluated.explanation.findings),
        training=report["train"].report,
        certificate=report["export"].report.certificate,
        seconds=seconds,
    )


def _write_project(folder: Path, pictures: list[str], num_steps: int | None) -> Project:
    """The shipped project, with the images to predict on and the steps."""
    text = shipped_files("pipelines", ".yaml")["demo"].read_text("utf-8")
    listed = "".join(f"\n    - {DATA}/images/{name}" for name in pictures)
    edits = {f"images: {DATA}/images": f"images:{listed}"}
    if num_steps is not None:
        edits[f"seed: {SEED}"] = f"seed: {SEED}\n  num-steps: {num_steps}"
    for before, after in edits.items():
        assert text.count(before) == 1, f"demo.yaml has {before!r} {text.count(before)} times, not once"
        text = text.replace(before, after)
    path = folder / PROJECT
    write_text(path, text)
    return parse(text, str(path))


def _check_room(folder: Path) -> None:
    if folder.is_file():
        raise OutputError(f"{folder} is a file. Choose a folder: odtk demo FOLDER")
    if folder.is_dir() and not (folder / MARKER).exists() and unfinished.contents(folder):
        raise OutputError(f"{folder} is not empty and not an earlier demo. Choose another folder: odtk demo FOLDER")


def _clear(folder: Path) -> None:
    for path in unfinished.contents(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / MARKER).touch()


def _held_out(data: Path) -> list[str]:
    """The names of some images of the validation split."""
    names = sorted(f"{name}.jpg" for name in split_names(pets.read_names(data))[1] if name)
    return names[:: max(1, len(names) // NUM_PICTURES)][:NUM_PICTURES]


def _sheet(folder: Path, names: list[str], output: Path) -> Path:
    from PIL import Image

    write_picture(contact_sheet([Image.open(folder / name) for name in names], columns=3), output)
    return output
